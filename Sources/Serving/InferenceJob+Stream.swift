import Protocols

extension InferenceJob {
  /// A run of a stream.
  struct StreamStep {
    let sequence: StateSequence?
    /// A step of a generation: the request serves for the next ones too.
    let feedsBack: Bool
  }

  /// Events are text. Errors: what they cannot do.
  func heedStream(_ request: inout InferenceRequest) throws(ServingError) {
    let expected = "left out of a stream"
    request.parameters.binaryDataOutput = false
    guard !request.outputs.contains(where: { $0.binaryData == true }) else {
      throw .malformed(.fieldInvalid(field: "binary_data", expected: expected))
    }
    guard request.parameters.sequenceID == nil else {
      throw .malformed(.fieldInvalid(field: "sequence_id", expected: expected + ", which is a sequence of its own"))
    }
    stepCount = request.parameters.stepCount
  }
}
