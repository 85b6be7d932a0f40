import Protocols

/// `sequence_batching`: what a model carries from one request of a sequence to the next.
struct SequenceConfiguration: Equatable, Sendable {
  /// An output that is an input of the next request.
  struct State: Equatable, Sendable {
    var inputName = ""
    var outputName = ""
  }

  var states: [State] = []
  /// A sequence that nobody has asked for so long is dropped. As Triton has it.
  var maxIdleMicros = 1_000_000

  static let field = "sequence_batching"

  /// Errors: malformed JSON, a known member of another form.
  init(_ reader: inout JSONReader) throws(ProtocolError) {
    guard try reader.peekKind() == .object else {
      throw .fieldInvalid(field: SequenceConfiguration.field, expected: "an object with \"state\"")
    }
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "max_sequence_idle_microseconds":
        guard try reader.peekKind() == .number, let micros = Int(exactly: try reader.readInteger()),
          (1...ServingLimits.sequenceIdleMicrosMax).contains(micros)
        else {
          throw .fieldInvalid(field: key, expected: "1 to \(ServingLimits.sequenceIdleMicrosMax) µs")
        }
        maxIdleMicros = micros
      case "state": states = try State.list(&reader, key)
      default: try reader.skipValue()
      }
    }
    guard !states.isEmpty else {
      throw .fieldInvalid(
        field: SequenceConfiguration.field + ".state", expected: "a list of at least one pair of input and output")
    }
  }

  func write(to writer: inout JSONWriter) {
    writer.key(SequenceConfiguration.field)
    writer.beginObject()
    writer.member("max_sequence_idle_microseconds", maxIdleMicros)
    State.write(states, "state", to: &writer)
    writer.endObject()
  }
}

extension SequenceConfiguration.State {
  /// A list of objects with `input_name` and `output_name`.
  static func list(_ reader: inout JSONReader, _ field: String) throws(ProtocolError) -> [Self] {
    let expected = "a list of at most \(ProtocolLimits.tensorsMax) objects with input_name and output_name"
    guard try reader.peekKind() == .array else { throw .fieldInvalid(field: field, expected: expected) }
    var list: [Self] = []
    try reader.beginArray()
    while try reader.nextElement() {
      guard list.count < ProtocolLimits.tensorsMax, try reader.peekKind() == .object else {
        throw .fieldInvalid(field: field, expected: expected)
      }
      list.append(try Self(&reader))
    }
    return list
  }

  private init(_ reader: inout JSONReader) throws(ProtocolError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "input_name": inputName = try reader.readText(of: key)
      case "output_name": outputName = try reader.readText(of: key)
      case "initial_state": try Self.checkInitial(&reader, key)
      default: try reader.skipValue()
      }
    }
  }

  /// Triton's list of one object with `zero_data`; states start at zero anyway.
  private static func checkInitial(_ reader: inout JSONReader, _ field: String) throws(ProtocolError) {
    let expected = "[{\"zero_data\": true}]: states start at zero"
    guard try reader.peekKind() == .array else { throw .fieldInvalid(field: field, expected: expected) }
    try reader.beginArray()
    while try reader.nextElement() {
      guard try reader.peekKind() == .object else { throw .fieldInvalid(field: field, expected: expected) }
      try reader.beginObject()
      while let key = try reader.nextKey() {
        guard key != "data_file" else { throw .fieldInvalid(field: field, expected: expected) }
        try reader.skipValue()
      }
    }
  }

  static func write(_ list: [Self], _ name: String, to writer: inout JSONWriter) {
    writer.key(name)
    writer.beginArray()
    for state in list {
      writer.beginObject()
      writer.member("input_name", state.inputName)
      writer.member("output_name", state.outputName)
      writer.endObject()
    }
    writer.endArray()
  }

  static func jsonBytesMax(_ list: [Self]) -> Int {
    list.reduce(128) { $0 + 48 + $1.inputName.jsonByteCount + $1.outputName.jsonByteCount }
  }
}
