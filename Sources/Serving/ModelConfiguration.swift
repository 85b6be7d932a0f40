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
  /// How long it stays in memory when nobody asks it; nil: as the server has it.
  var keepAlive: KeepAlive?
  /// Least time from the start of one inference to the next one's: a promised rate is kept evenly, not outrun; 0: as they come.
  var periodNanoseconds: Int64 = 0
  var queue = QueueConfiguration()
  /// Whether results are kept for requests with the same inputs.
  var cachesResponses = false
  /// Models that requests pass through; nil: it is a model of its own.
  var ensemble: EnsembleConfiguration?
  /// What it carries from one request to the next; nil: nothing.
  var sequences: SequenceConfiguration?
  /// How it generates; nil: it does not.
  var generation: GenerationConfiguration?

  init() {}

  /// Errors: malformed JSON, a known member of another form.
  init(parsing text: UnsafeRawBufferPointer) throws(ProtocolError) {
    var reader = JSONReader(text)
    var ports: [(field: String, text: Range<Int>)] = []
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "dynamic_batching": queue = try QueueConfiguration(&reader)
      case "labels": labels = try ModelConfiguration.labels(&reader)
      case "ensemble_scheduling": ensemble = try EnsembleConfiguration(&reader)
      case SequenceConfiguration.field: sequences = try SequenceConfiguration(&reader)
      case GenerationConfiguration.field: generation = try GenerationConfiguration(&reader)
      case "input", "output": ports.append((key, try reader.skipValue()))
      case "keep_alive": keepAlive = try ModelConfiguration.keepAlive(&reader)
      case "rate": periodNanoseconds = try ModelConfiguration.period(&reader)
      case "response_cache": cachesResponses = try ModelConfiguration.responseCache(&reader)
      case "version_policy": versionPolicy = try ModelConfiguration.policy(&reader)
      default: try reader.skipValue()
      }
    }
    try reader.finish()
    // What a model of its own says of them is its file's affair.
    guard ensemble != nil else { return }
    for (field, range) in ports {
      var reader = JSONReader(UnsafeRawBufferPointer(rebasing: text[range]))
      let declarations = try EnsembleConfiguration.declarations(&reader, field)
      if field == "input" { ensemble?.inputs = declarations } else { ensemble?.outputs = declarations }
    }
  }

  private static func labels(_ reader: inout JSONReader) throws(ProtocolError) -> [String] {
    guard try reader.peekKind() == .array else { throw .fieldInvalid(field: "labels", expected: "a list of strings") }
    var labels: [String] = []
    labels.reserveCapacity(min(try count(reader), ServingLimits.labelsMax))
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

  /// Seconds, of which less than none mean for ever, or a text such as `5m` or `forever`.
  private static func keepAlive(_ reader: inout JSONReader) throws(ProtocolError) -> KeepAlive {
    let expected = "seconds, a text such as \"90s\", \"5m\" or \"2h\", or \"forever\""
    switch try reader.peekKind() {
    case .number: return KeepAlive(seconds: try reader.readInteger())
    case .string:
      guard let keepAlive = KeepAlive(try reader.readString()) else {
        throw .fieldInvalid(field: "keep_alive", expected: expected)
      }
      return keepAlive
    default: throw .fieldInvalid(field: "keep_alive", expected: expected)
    }
  }

  /// Of so many inferences a second.
  private static func period(_ reader: inout JSONReader) throws(ProtocolError) -> Int64 {
    guard try reader.peekKind() == .number, case let rate = try reader.readFloat(), ServingLimits.rates.contains(rate)
    else { throw .fieldInvalid(field: "rate", expected: "inferences a second, from 0.001 to 100000") }
    return Int64(1e9 / Double(rate))
  }

  /// `{"enable":true}`.
  private static func responseCache(_ reader: inout JSONReader) throws(ProtocolError) -> Bool {
    var isEnabled = false
    try beginObject(&reader, "response_cache", expected: "an object with \"enable\"")
    while let key = try reader.nextKey() {
      guard key == "enable" else {
        _ = try reader.skipValue()
        continue
      }
      guard try reader.peekKind() == .bool else { throw .fieldInvalid(field: key, expected: "true or false") }
      isEnabled = try reader.readBool()
    }
    return isEnabled
  }

  /// Elements of the array that comes next, so that a list does not grow by doubling.
  private static func count(_ reader: JSONReader) throws(ProtocolError) -> Int {
    var reader = reader
    var count = 0
    try reader.beginArray()
    while try reader.nextElement() {
      _ = try reader.skipValue()
      count += 1
    }
    return count
  }

  /// `{"latest":{"num_versions":N}}`, `{"all":{}}` or `{"specific":{"versions":[N,…]}}`.
  private static func policy(_ reader: inout JSONReader) throws(ProtocolError) -> VersionPolicy {
    var latest: Int?
    var isAll = false
    var specific: [Int]?
    try beginObject(&reader, "version_policy", expected: "latest, all or specific")
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
    try beginObject(&reader, "latest", expected: "an object")
    while let key = try reader.nextKey() {
      guard key == "num_versions" else {
        _ = try reader.skipValue()
        continue
      }
      count = try positive(&reader, key, expected: "an integer of at least 1")
    }
    return count
  }

  private static func versions(_ reader: inout JSONReader) throws(ProtocolError) -> [Int] {
    let expected = "a list of at most \(ServingLimits.versionsMax) integers of at least 1"
    var versions: [Int] = []
    try beginObject(&reader, "specific", expected: "an object")
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
        versions.append(try positive(&reader, key, expected: expected))
      }
    }
    return versions
  }

  private static func beginObject(
    _ reader: inout JSONReader, _ field: String, expected: String
  ) throws(ProtocolError) {
    guard try reader.peekKind() == .object else { throw .fieldInvalid(field: field, expected: expected) }
    try reader.beginObject()
  }

  private static func positive(
    _ reader: inout JSONReader, _ field: String, expected: String
  ) throws(ProtocolError) -> Int {
    guard try reader.peekKind() == .number else { throw .fieldInvalid(field: field, expected: expected) }
    let value = try reader.readInteger()
    guard value >= 1, let number = Int(exactly: value) else { throw .fieldInvalid(field: field, expected: expected) }
    return number
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
