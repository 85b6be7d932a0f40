import Protocols

/// `generate`: how often a model runs for one request of `generate` or `generate_stream`.
struct GenerationConfiguration: Equatable, Sendable {
  /// At most so often, and so often where the request does not say.
  var stepCount = 0
  /// Outputs that are inputs of the next step; the request brings them for the first one.
  var feedback: [SequenceConfiguration.State] = []

  static let field = "generate"

  /// Errors: malformed JSON, a known member of another form.
  init(_ reader: inout JSONReader) throws(ProtocolError) {
    guard try reader.peekKind() == .object else {
      throw .fieldInvalid(field: GenerationConfiguration.field, expected: "an object with \"steps\"")
    }
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "steps":
        guard try reader.peekKind() == .number else { throw .fieldInvalid(field: key, expected: "a number") }
        stepCount = Int(exactly: try reader.readInteger()) ?? 0
      case "feedback": feedback = try SequenceConfiguration.State.list(&reader, key)
      default: try reader.skipValue()
      }
    }
    guard (1...ServingLimits.generationStepsMax).contains(stepCount) else {
      throw .fieldInvalid(
        field: GenerationConfiguration.field + ".steps", expected: "1 to \(ServingLimits.generationStepsMax)")
    }
  }

  func write(to writer: inout JSONWriter) {
    writer.key(GenerationConfiguration.field)
    writer.beginObject()
    writer.member("steps", stepCount)
    SequenceConfiguration.State.write(feedback, "feedback", to: &writer)
    writer.endObject()
  }
}
