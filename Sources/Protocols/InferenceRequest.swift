import Tensors

/// A request of the Open Inference Protocol. Tensor data stays in the body that was parsed; see `InferenceTensor`.
public struct InferenceRequest: Equatable, Sendable {
  public var id: String?
  public var parameters = InferenceParameters()
  public var inputs: [InferenceTensor] = []
  /// The outputs asked for; empty: all.
  public var outputs: [InferenceOutputRequest] = []
  /// The body where it is one raw tensor without JSON: its name, type and shape are the model's. Give them with
  /// `bindRawInput`.
  public var rawInput: Range<Int>?
  /// How to answer.
  public var form = AnswerForm.openInference

  /// The shape that a raw body has for a model with an input of `rowShape`: of several rows where that is their size.
  public func rawInputShape(elementType: ElementType, rowShape: Shape) -> Shape {
    let byteCount = rowShape.elementCount * elementType.byteCount
    guard let count = rawInput?.count, byteCount > 0, count > byteCount, count % byteCount == 0,
      rowShape.dimensions.first == 1
    else { return rowShape }
    return rowShape.withRows(count / byteCount)
  }

  /// Gives the raw body the name, type and shape of the model's only input. Errors: the body has another size.
  public mutating func bindRawInput(name: String, elementType: ElementType, shape: Shape) throws(ProtocolError) {
    guard let rawInput else { return }
    let input = InferenceTensor(name: name, elementType: elementType, shape: shape, payload: .binary(rawInput))
    try input.checkSize()
    inputs = [input]
    self.rawInput = nil
  }
}

/// What a request asks of the server besides the answer.
public struct InferenceParameters: Equatable, Sendable {
  /// 1 is the highest; 0 asks for the model's default.
  public var priority = 0
  /// How long the request may wait, in µs; 0 asks for the model's default.
  public var timeoutMicros = 0
  /// Whether outputs that say nothing themselves are answered as binary data.
  public var binaryDataOutput = false
  /// The sequence of requests that this one belongs to.
  public var sequenceID: SequenceID?
  public var startsSequence = false
  public var endsSequence = false
  /// Steps of a generation; 0: as many as the model's configuration says.
  public var stepCount = 0
  /// Neighbors to find of each vector, of a table; 0: as many as the server finds by default.
  public var neighborCount = 0
  /// Whether the answer is to say what each operator took.
  public var wantsProfile = false

  public init() {}
}

/// What a client calls a sequence of requests.
public enum SequenceID: Equatable, Sendable {
  case number(Int64)
  case text(String)
}

/// One output that a request asks for.
public struct InferenceOutputRequest: Equatable, Sendable {
  public let name: String
  /// Whether to answer with binary data; nil: as `InferenceParameters.binaryDataOutput` says.
  public let binaryData: Bool?
  /// How many of the highest elements to answer as `value:index[:label]`; 0: the tensor itself.
  public let classificationCount: Int
  /// Where to write the output; nil: into the answer.
  public let shared: SharedMemoryReference?

  public init(
    name: String, binaryData: Bool? = nil, classificationCount: Int = 0, shared: SharedMemoryReference? = nil
  ) {
    self.name = name
    self.binaryData = binaryData
    self.classificationCount = classificationCount
    self.shared = shared
  }
}
