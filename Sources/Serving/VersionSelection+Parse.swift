import Protocols

extension VersionSelection {
  /// Reads a member of a model's configuration; returns whether it is one of these.
  mutating func read(_ key: String, _ reader: inout JSONReader) throws(ProtocolError) -> Bool {
    switch key {
    case "version_policy": policy = try VersionSelection.policy(&reader)
    case "version_labels": labels = try VersionSelection.labels(&reader)
    case "traffic": traffic = try VersionSelection.traffic(&reader)
    case "traffic_by":
      let isText = try reader.peekKind() == .string
      guard let stickiness = Stickiness(rawValue: isText ? try reader.readString() : "") else {
        throw .fieldInvalid(field: key, expected: "\"connection\" or \"user\"")
      }
      self.stickiness = stickiness
    case "rollback": rollback = try RollbackPolicy(&reader)
    default: return false
    }
    return true
  }

  /// Errors: what would share requests among nobody.
  func check() throws(ProtocolError) {
    guard traffic.isEmpty || traffic.contains(where: { $0.weight > 0 }) else {
      throw .fieldInvalid(field: "traffic", expected: "a version with a weight above 0")
    }
  }

  /// `{"stable":3,"canary":4}`.
  private static func labels(_ reader: inout JSONReader) throws(ProtocolError) -> [Label] {
    let limit = ServingLimits.versionLabelsMax
    let bytesMax = ServingLimits.versionLabelBytesMax
    var labels: [Label] = []
    try reader.beginObject("version_labels")
    while let name = try reader.nextKey() {
      let isPlain = !name.isEmpty && name.utf8.count <= bytesMax && !name.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
      labels.removeAll { $0.name == name }
      guard isPlain, labels.count < limit else {
        throw .fieldInvalid(
          field: "version_labels",
          expected: "at most \(limit) names that are no numbers, of at most \(bytesMax) bytes, with their versions")
      }
      labels.append(Label(name: name, version: try reader.readNumber(of: "version_labels", in: 1...Int.max)))
    }
    return labels
  }

  /// `{"3":90,"4":10}`.
  private static func traffic(_ reader: inout JSONReader) throws(ProtocolError) -> [Share] {
    var traffic: [Share] = []
    try reader.beginObject("traffic")
    while let key = try reader.nextKey() {
      guard let version = ModelDirectory.version(key), traffic.count < ServingLimits.versionsMax else {
        throw .fieldInvalid(field: "traffic", expected: "versions and their weights, as in {\"3\":90,\"4\":10}")
      }
      let weight = try reader.readNumber(of: "traffic", in: 0...ServingLimits.trafficWeightMax)
      traffic.removeAll { $0.version == version }
      traffic.append(Share(version: version, weight: weight))
    }
    return traffic.sorted { $0.version > $1.version }
  }

  /// `{"latest":{"num_versions":N}}`, `{"all":{}}` or `{"specific":{"versions":[N,…]}}`.
  private static func policy(_ reader: inout JSONReader) throws(ProtocolError) -> Policy {
    var latest: Int?
    var isAll = false
    var specific: [Int]?
    try reader.beginObject("version_policy")
    while let key = try reader.nextKey() {
      switch key {
      case "latest": latest = try latestCount(&reader)
      case "specific": specific = try versions(&reader)
      default:
        isAll = isAll || key == "all"
        _ = try reader.skipValue()
      }
    }
    if let latest { return .latest(latest) }
    if isAll { return .all }
    if let specific { return .specific(specific) }
    throw .fieldInvalid(field: "version_policy", expected: "latest, all or specific")
  }

  private static func latestCount(_ reader: inout JSONReader) throws(ProtocolError) -> Int {
    var count = 1
    try reader.beginObject("latest")
    while let key = try reader.nextKey() {
      guard key == "num_versions" else {
        _ = try reader.skipValue()
        continue
      }
      count = try reader.readNumber(of: key, in: 1...Int.max)
    }
    return count
  }

  private static func versions(_ reader: inout JSONReader) throws(ProtocolError) -> [Int] {
    let expected = "a list of at most \(ServingLimits.versionsMax) integers of at least 1"
    var versions: [Int] = []
    try reader.beginObject("specific")
    while let key = try reader.nextKey() {
      guard key == "versions" else {
        _ = try reader.skipValue()
        continue
      }
      guard try reader.peekKind() == .array else { throw .fieldInvalid(field: key, expected: expected) }
      versions = []
      try reader.beginArray()
      while try reader.nextElement() {
        guard versions.count < ServingLimits.versionsMax else { throw .fieldInvalid(field: key, expected: expected) }
        versions.append(try reader.readNumber(of: key, in: 1...Int.max))
      }
    }
    return versions
  }
}

extension RollbackPolicy {
  fileprivate init(_ reader: inout JSONReader) throws(ProtocolError) {
    try reader.beginObject("rollback")
    while let key = try reader.nextKey() {
      switch key {
      case "enable":
        isEnabled = try reader.readTruth(of: key)
      case "window_seconds": windowSeconds = try reader.readNumber(of: key, in: 1...86_400)
      case "min_request_count": requestCountMin = try reader.readNumber(of: key, in: 1...1_000_000)
      case "margin":
        guard try reader.peekKind() == .number, case let value = try reader.readFloat(), value >= 0, value <= 1 else {
          throw .fieldInvalid(field: key, expected: "a number from 0 to 1")
        }
        margin = value
      default: try reader.skipValue()
      }
    }
  }
}
