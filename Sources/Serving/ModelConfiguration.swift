import Protocols

/// What a model's `config.json` says, as far as this server heeds it; other members are ignored.
struct ModelConfiguration: Equatable, Sendable {
  /// Which versions to load, with Triton's names.
  enum VersionPolicy: Equatable, Sendable {
    case latest(Int)
    case all
    case specific([Int])
  }

  var versionPolicy = VersionPolicy.latest(1)
  /// Names of the classes, by index.
  var labels: [String] = []

  init() {}

  /// Errors: malformed JSON, a known member of another form.
  init(parsing text: UnsafeRawBufferPointer) throws(ProtocolError) {
    var reader = JSONReader(text)
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "labels": labels = try ModelConfiguration.labels(&reader)
      case "version_policy": versionPolicy = try ModelConfiguration.policy(&reader)
      default: try reader.skipValue()
      }
    }
    try reader.finish()
  }

  private static func labels(_ reader: inout JSONReader) throws(ProtocolError) -> [String] {
    guard try reader.peekKind() == .array else { throw .fieldInvalid(field: "labels", expected: "a list of strings") }
    var labels: [String] = []
    try reader.beginArray()
    while try reader.nextElement() {
      guard try reader.peekKind() == .string else {
        throw .fieldInvalid(field: "labels", expected: "a list of strings")
      }
      let label = try reader.readString()
      guard labels.count < ServingLimits.labelsMax, label.utf8.count <= ServingLimits.labelBytesMax else {
        throw .fieldInvalid(
          field: "labels",
          expected: "at most \(ServingLimits.labelsMax) labels of at most \(ServingLimits.labelBytesMax) bytes")
      }
      labels.append(label)
    }
    return labels
  }

  /// `{"latest":{"num_versions":N}}`, `{"all":{}}` or `{"specific":{"versions":[N,…]}}`.
  private static func policy(_ reader: inout JSONReader) throws(ProtocolError) -> VersionPolicy {
    let tree = try reader.readTree()
    if let latest = tree["latest"] {
      let count = latest["num_versions"].map { $0.int ?? 0 } ?? 1
      guard count >= 1 else { throw .fieldInvalid(field: "num_versions", expected: "an integer of at least 1") }
      return .latest(Int(count))
    }
    if tree["all"] != nil { return .all }
    if let specific = tree["specific"] {
      var versions: [Int] = []
      for value in specific["versions"]?.array ?? [] {
        guard let version = value.int, version >= 1 else {
          throw .fieldInvalid(field: "versions", expected: "a list of integers of at least 1")
        }
        versions.append(Int(version))
      }
      return .specific(versions)
    }
    throw .fieldInvalid(field: "version_policy", expected: "latest, all or specific")
  }

  /// The versions to load of those there are (ascending). Errors: one that is asked for by number and absent.
  func selected(of versions: [Int], model: String) throws(ServingError) -> [Int] {
    guard !versions.isEmpty else { throw .noVersion(model: model) }
    switch versionPolicy {
    case .latest(let count): return Array(versions.suffix(count))
    case .all: return versions
    case .specific(let wanted):
      for version in wanted where !versions.contains(version) {
        throw .versionAbsent(model: model, version: version)
      }
      return versions.filter { wanted.contains($0) }
    }
  }
}
