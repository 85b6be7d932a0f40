/// How an answer is written.
public enum AnswerForm: Equatable, Sendable {
  case openInference
  /// As TensorFlow Serving has it: `predictions`, one for each of the batch.
  case rows
  /// The same with `outputs`, one for each tensor.
  case columns
}
