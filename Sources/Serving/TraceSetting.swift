import Protocols

/// Which requests are traced, with Triton's names. What a model leaves out is as the server has it.
struct TraceSetting: Equatable, Sendable {
  var isOn: Bool?
  /// One of so many requests.
  var rate: Int?
  /// How many are still traced; −1: all.
  var count: Int?
  var logFrequency: Int?

  static let standard = TraceSetting(isOn: false, rate: 1000, count: -1, logFrequency: 0)

  func filled(from other: TraceSetting) -> TraceSetting {
    TraceSetting(
      isOn: isOn ?? other.isOn, rate: rate ?? other.rate, count: count ?? other.count,
      logFrequency: logFrequency ?? other.logFrequency)
  }

  /// Takes what a request says; null takes a value back. Errors: malformed JSON, a known member of another form.
  mutating func apply(_ body: UnsafeRawBufferPointer) throws(ProtocolError) {
    var reader = JSONReader(body)
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "trace_level": isOn = try TraceSetting.level(&reader, key)
      case "trace_rate": rate = try TraceSetting.number(&reader, key, in: 1...Int.max)
      case "trace_count": count = try TraceSetting.number(&reader, key, in: -1...Int.max)
      case "log_frequency": logFrequency = try TraceSetting.number(&reader, key, in: 0...Int.max)
      case "trace_file":
        let isText = try reader.peekKind() == .string
        let path = isText ? try reader.readString() : ""
        if !isText { try reader.skipValue() }
        guard path.isEmpty else {
          throw .fieldInvalid(
            field: key,
            expected: "left out: GET /v2/thimble/trace has the traces; the daemon's --trace-dir says where files go")
        }
      default: try reader.skipValue()
      }
    }
    try reader.finish()
  }

  /// A level or a list of them.
  private static func level(_ reader: inout JSONReader, _ key: String) throws(ProtocolError) -> Bool? {
    switch try reader.peekKind() {
    case .null:
      try reader.readNull()
      return nil
    case .string: return try isOn(reader.readString(), key)
    case .array:
      var isOn = false
      try reader.beginArray()
      while try reader.nextElement() {
        if try TraceSetting.isOn(reader.readText(of: key), key) { isOn = true }
      }
      return isOn
    default: throw .fieldInvalid(field: key, expected: "a list of levels")
    }
  }

  private static func isOn(_ level: String, _ key: String) throws(ProtocolError) -> Bool {
    switch level {
    case "TIMESTAMPS": true
    case "OFF": false
    default: throw .fieldInvalid(field: key, expected: "\"TIMESTAMPS\" or \"OFF\"")
    }
  }

  /// Triton's clients send numbers as texts.
  private static func number(
    _ reader: inout JSONReader, _ key: String, in range: ClosedRange<Int>
  ) throws(ProtocolError) -> Int? {
    switch try reader.peekKind() {
    case .null:
      try reader.readNull()
      return nil
    case .string:
      guard let value = Int(try reader.readString()), range.contains(value) else {
        throw .fieldInvalid(field: key, expected: "an integer of at least \(range.lowerBound)")
      }
      return value
    default: return try reader.readNumber(of: key, in: range)
    }
  }
}

extension TraceSetting: JSONWritable {
  func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("trace_file", "")
    writer.member("trace_level", [isOn == true ? "TIMESTAMPS" : "OFF"])
    writer.member("trace_rate", "\(rate ?? 0)")
    writer.member("trace_count", "\(count ?? 0)")
    writer.member("log_frequency", "\(logFrequency ?? 0)")
    writer.member("trace_mode", "triton")
    writer.endObject()
  }
}
