import Protocols

/// What a model's `config.json` says, as far as this server heeds it; other members are ignored.
struct ModelConfiguration: Equatable, Sendable {
  /// Which versions are loaded, and which of them requests get. Unlike the rest it may change while a version stays as it is.
  var selection = VersionSelection()
  /// Names of the classes, by index.
  var labels: [String] = []
  /// How long it stays in memory when nobody asks it; nil: as the server has it.
  var keepAlive: KeepAlive?
  /// Least time from the start of one inference to the next one's: a promised rate is kept evenly, not outrun; 0: as they come.
  var periodNanoseconds: Int64 = 0
  var queue = QueueConfiguration()
  /// What a version has to get through before it serves; empty once it has.
  var warmup: [WarmupSample] = []
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
      case "dynamic_batching":
        let countMax = queue.batches.countMax
        queue = try QueueConfiguration(&reader)
        queue.batches.countMax = countMax
      case "labels": labels = try ModelConfiguration.labels(&reader)
      case "ensemble_scheduling": ensemble = try EnsembleConfiguration(&reader)
      case SequenceConfiguration.field: sequences = try SequenceConfiguration(&reader)
      case GenerationConfiguration.field: generation = try GenerationConfiguration(&reader)
      case "input", "output": ports.append((key, try reader.skipValue()))
      case "keep_alive": keepAlive = try ModelConfiguration.keepAlive(&reader)
      case "max_batch_size": queue.batches.countMax = try reader.readNumber(of: key, in: 0...ServingLimits.batchMax)
      case "model_warmup": warmup = try WarmupSample.list(&reader)
      case "rate": periodNanoseconds = try ModelConfiguration.period(&reader)
      case "response_cache": cachesResponses = try ModelConfiguration.responseCache(&reader)
      default: if try !selection.read(key, &reader) { try reader.skipValue() }
      }
    }
    try reader.finish()
    try selection.check()
    // What a model of its own says of them is its file's affair.
    guard ensemble != nil else { return }
    for (field, range) in ports {
      var reader = JSONReader(UnsafeRawBufferPointer(rebasing: text[range]))
      let declarations = try EnsembleConfiguration.declarations(&reader, field)
      if field == "input" { ensemble?.inputs = declarations } else { ensemble?.outputs = declarations }
    }
  }

  /// Whether a version that was loaded with the other one may stay as it is.
  func isAlike(_ other: ModelConfiguration) -> Bool {
    var other = other
    (other.selection, other.warmup) = (selection, warmup)
    return self == other
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

  private static func beginObject(
    _ reader: inout JSONReader, _ field: String, expected: String
  ) throws(ProtocolError) {
    guard try reader.peekKind() == .object else { throw .fieldInvalid(field: field, expected: expected) }
    try reader.beginObject()
  }
}
