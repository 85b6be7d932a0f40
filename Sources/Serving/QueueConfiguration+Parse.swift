import Protocols

extension QueueConfiguration {
  /// The value of `dynamic_batching`.
  init(_ reader: inout JSONReader) throws(ProtocolError) {
    var levelCount: Int?
    var defaultLevel: Int?
    try reader.beginObject("dynamic_batching")
    while let key = try reader.nextKey() {
      switch key {
      case "priority_levels": levelCount = try reader.readNumber(of: key, in: 0...ServingLimits.priorityLevelsMax)
      case "default_priority_level":
        defaultLevel = try reader.readNumber(of: key, in: 0...ServingLimits.priorityLevelsMax)
      case "default_queue_policy": policy = try QueuePolicy(&reader, key)
      case "priority_queue_policy": try readPolicies(&reader, key)
      default: if try !batches.read(key, &reader) { try reader.skipValue() }
      }
    }
    guard let levelCount else { return }
    self.levelCount = levelCount
    guard levelCount > 0 else { return }
    self.defaultLevel = (levelCount + 1) / 2
    guard let defaultLevel, defaultLevel > 0 else { return }
    guard defaultLevel <= levelCount else {
      throw .fieldInvalid(field: "default_priority_level", expected: "at most priority_levels, \(levelCount)")
    }
    self.defaultLevel = defaultLevel
  }

  /// `{"1":{…},…}`.
  private mutating func readPolicies(_ reader: inout JSONReader, _ field: String) throws(ProtocolError) {
    try reader.beginObject(field)
    while let key = try reader.nextKey() {
      guard let level = ModelDirectory.version(key), level <= ServingLimits.priorityLevelsMax else {
        throw .fieldInvalid(field: field, expected: "an object whose keys are priorities, such as \"1\"")
      }
      let policy = try QueuePolicy(&reader, field)
      policies.removeAll { $0.level == level }
      policies.append((level, policy))
    }
  }
}

extension QueuePolicy {
  fileprivate init(_ reader: inout JSONReader, _ field: String) throws(ProtocolError) {
    try reader.beginObject(field)
    while let key = try reader.nextKey() {
      switch key {
      case "timeout_action":
        let isText = try reader.peekKind() == .string
        switch isText ? try reader.readString() : "" {
        case "REJECT": timeoutAction = .reject
        case "DELAY": timeoutAction = .delay
        default: throw .fieldInvalid(field: key, expected: "\"REJECT\" or \"DELAY\"")
        }
      case "default_timeout_microseconds": timeoutMicros = try reader.readNumber(of: key, in: 0...Int.max)
      case "max_queue_size": requestsMax = try reader.readNumber(of: key, in: 0...Int.max)
      case "allow_timeout_override":
        guard try reader.peekKind() == .bool else { throw .fieldInvalid(field: key, expected: "true or false") }
        allowsTimeoutOverride = try reader.readBool()
      default: try reader.skipValue()
      }
    }
  }
}
