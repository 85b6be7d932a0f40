import Memory
import Protocols
import Runtime

/// An answer in parts: one event for each run. The next run starts once the last event is sent, so that a client that does not
/// read makes the server wait and not remember.
final class EventStream {
  /// What leads to the runs.
  enum Source {
    /// One request, again and again.
    case generation(RequestBody?)
    /// Requests that come one after the other in the body.
    case items(ItemForm)
  }

  /// How items stand in a body.
  enum ItemForm {
    /// Requests as JSON, one a line.
    case lines
    /// The bytes of the model's only input.
    case tensors(byteCount: Int)
  }

  let model: LoadedModel
  let source: Source
  /// What the runs hand on to each other; nil: nothing.
  let sequence: StateSequence?
  let headerContentLength: Int?
  /// Whether every run's result is an event; else only the last one's is answered.
  let sendsAll: Bool
  /// Runs that are to come, where that is known.
  var stepsLeft: Int?
  /// Whether the head of the answer is on its way.
  var hasBegun = false
  /// Whether what is sent now is all.
  var isOver = false

  init(
    _ model: LoadedModel, _ source: Source, sequence: StateSequence?, headerContentLength: Int?, sendsAll: Bool
  ) {
    self.model = model
    self.source = source
    self.sequence = sequence
    self.headerContentLength = headerContentLength
    self.sendsAll = sendsAll
  }

  var itemForm: ItemForm? {
    guard case .items(let form) = source else { return nil }
    return form
  }

  var feedsBack: Bool { itemForm == nil }

  /// Nil where the body is one request.
  static func form(_ contentType: String?, of model: LoadedModel) throws(ServingError) -> ItemForm? {
    guard let contentType else { return nil }
    if contentType.hasPrefix("application/x-ndjson") || contentType.hasPrefix("application/jsonl") { return .lines }
    guard contentType.hasPrefix(HTTPResponseHead.octetStream) else { return nil }
    guard model.inputs.count == 1 else {
      throw .malformed(
        .fieldInvalid(field: "Content-Type", expected: "application/x-ndjson: the model has several inputs"))
    }
    return .tensors(byteCount: model.inputs[0].byteCount)
  }
}
