import Tensors

/// An answer of the Open Inference Protocol, before it is encoded.
public struct InferenceResponse {
  public var modelName: String
  public var modelVersion: String
  /// The request's.
  public var id: String?
  public var outputs: [InferenceOutput]
  /// A profile as JSON text. It goes out as a string, the protocol's parameters being strings, numbers and Booleans.
  public var profile: [UInt8]?
  public var form = AnswerForm.openInference
  /// With how much effort it was computed, where somebody governs that.
  public var effort: Effort?

  public struct Effort: Equatable, Sendable {
    public var threadCount: Int
    /// The governor's: `nominal`, `fair`, `serious`, `critical`.
    public var state: String

    public init(threadCount: Int, state: String) {
      self.threadCount = threadCount
      self.state = state
    }
  }

  public init(modelName: String, modelVersion: String, id: String? = nil, outputs: [InferenceOutput]) {
    self.modelName = modelName
    self.modelVersion = modelVersion
    self.id = id
    self.outputs = outputs
  }
}

/// One output tensor of an answer.
public struct InferenceOutput {
  public var name: String
  public var elementType: ElementType
  public var shape: Shape
  /// The elements, little-endian and row-major. They must outlive the answer's encoded form, which points to them.
  public var bytes: UnsafeRawBufferPointer
  /// Whether to answer with binary data.
  public var isBinary: Bool
  /// What to answer in place of the tensor, or nil.
  public var classification: Classification?
  /// Where the elements stand in memory that the client shares, in place of the tensor, or nil.
  public var shared: SharedMemoryReference?

  public init(
    name: String, elementType: ElementType, shape: Shape, bytes: UnsafeRawBufferPointer, isBinary: Bool = false,
    classification: Classification? = nil, shared: SharedMemoryReference? = nil
  ) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.bytes = bytes
    self.isBinary = isBinary
    self.classification = classification
    self.shared = shared
  }

  /// The output as `requested`, where the request names its outputs, and `parameters` ask for it.
  public init(
    name: String, elementType: ElementType, shape: Shape, bytes: UnsafeRawBufferPointer,
    requested: InferenceOutputRequest?, parameters: InferenceParameters, labels: [String] = [],
    hasBatchDimension: Bool = false
  ) {
    let count = requested?.classificationCount ?? 0
    self.init(
      name: name, elementType: elementType, shape: shape, bytes: bytes,
      isBinary: requested?.binaryData ?? parameters.binaryDataOutput,
      classification: count > 0
        ? Classification(count: count, labels: labels, hasBatchDimension: hasBatchDimension) : nil,
      shared: requested?.shared.map { .init(region: $0.region, offset: $0.offset, byteCount: bytes.count) })
  }
}

/// The highest elements of an output as `value:index[:label]`.
public struct Classification: Equatable, Sendable {
  /// How many elements; fewer where the tensor, or each of the batch, has fewer.
  public var count: Int
  /// Labels by index; an index without one goes unlabelled.
  public var labels: [String]
  /// Whether the tensor's first dimension is a batch: then each of it is classified by itself.
  public var hasBatchDimension: Bool

  public init(count: Int, labels: [String] = [], hasBatchDimension: Bool = false) {
    self.count = count
    self.labels = labels
    self.hasBatchDimension = hasBatchDimension
  }
}
