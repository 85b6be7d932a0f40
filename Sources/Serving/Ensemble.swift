import Memory
import Runtime
import Tensors

/// Models that a request passes through one after the other. What they hand to each other lies in one buffer, in which tensors
/// that are not needed at the same time share their place.
final class Ensemble: Sendable {
  /// Where a model's input comes from.
  enum Source: Sendable {
    /// The request's input with this index.
    case request(Int)
    /// A tensor that a step before has made: where it lies in the buffer.
    case made(Range<Int>)
  }

  struct Step: Sendable {
    let modelName: String
    let version: Int?
    /// In the order of the model's inputs.
    let sources: [Source]
    /// In the order of the model's outputs; nil: nobody takes it.
    let targets: [Range<Int>?]
    /// What the model was like when the ensemble was made.
    let inputs: [Session.Port]
    let outputs: [Session.Port]
  }

  /// In the order in which they run.
  let steps: [Step]
  let inputs: [Session.Port]
  let outputs: [Session.Port]
  /// Where the outputs lie in the buffer.
  let outputRanges: [Range<Int>]
  /// Bytes of the buffer.
  let byteCount: Int

  init(
    steps: [Step], inputs: [Session.Port], outputs: [Session.Port], outputRanges: [Range<Int>], byteCount: Int
  ) {
    self.steps = steps
    self.inputs = inputs
    self.outputs = outputs
    self.outputRanges = outputRanges
    self.byteCount = byteCount
  }
}
