import Tensors

/// A network as Thimble runs it: integer operators in execution order over a table of tensors.
///
/// Importers lower foreign formats to this form; the `.thimble` container stores exactly it. Byte tensors are computed in
/// the **unsigned domain**: a `uint8` tensor's bytes as they are, an `int8` tensor's bytes plus 128. The shift is exact
/// and lets one set of kernels serve both. Every zero point, clamp, table and constant below is in that domain; only
/// `TensorInfo.quantization` and the bytes that clients see keep the tensor's own type.
public struct Graph: Sendable {
  /// What the source file calls itself; free text for people.
  public var name: String
  public var tensors: [TensorInfo]
  /// In execution order: an operator's operands are inputs, constants or outputs of earlier operators.
  public var operators: [Operator]
  /// Tensors the caller fills, in the source file's order.
  public var inputs: [Int]
  /// Tensors the caller reads, in the source file's order.
  public var outputs: [Int]
  /// Packed weights and constant tensors; where each one's bytes are is the container's business.
  public var blobs: [Blob]

  public init(
    name: String, tensors: [TensorInfo], operators: [Operator], inputs: [Int], outputs: [Int], blobs: [Blob]
  ) {
    self.name = name
    self.tensors = tensors
    self.operators = operators
    self.inputs = inputs
    self.outputs = outputs
    self.blobs = blobs
  }
}

/// One tensor of a graph.
public struct TensorInfo: Sendable {
  public var name: String
  public var elementType: ElementType
  public var shape: Shape
  /// How bytes stand for reals, in the tensor's own element type; nil for tensors that are not quantized.
  public var quantization: Quantization?
  /// The blob that holds a constant tensor's bytes (unsigned domain); nil for activations.
  public var constant: Int?

  public init(
    name: String, elementType: ElementType, shape: Shape, quantization: Quantization? = nil, constant: Int? = nil
  ) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.quantization = quantization
    self.constant = constant
  }

  /// Bytes of the whole tensor. Precondition: the shape has been checked.
  public var byteCount: Int { shape.elementCount * elementType.byteCount }
}

/// One step of a graph: what to compute, from which tensors, into which.
public struct Operator: Sendable {
  /// The source format's name for it (`CONV_2D`), for profiles and people.
  public var name: String
  public var operation: Operation
  /// Operand tensors, in the order that `operation` documents. Weights are blobs, not operands.
  public var inputs: [Int]
  /// The one tensor it writes. Operators with several outputs (SPLIT) become several operators.
  public var output: Int

  public init(name: String, operation: Operation, inputs: [Int], output: Int) {
    self.name = name
    self.operation = operation
    self.inputs = inputs
    self.output = output
  }
}

/// A run of bytes that does not change between inferences: packed weights or a constant tensor.
public struct Blob: Sendable {
  /// Bytes once decoded: the sum of the tiles' `decodedByteCount`.
  public var byteCount: Int
  /// The pieces, in order.
  public var tiles: [Tile]

  public init(byteCount: Int, tiles: [Tile]) {
    self.byteCount = byteCount
    self.tiles = tiles
  }
}

/// A piece of a blob that is read, checked and decoded alone.
public struct Tile: Sendable, Equatable {
  public enum Encoding: UInt8, Sendable {
    /// The bytes themselves, 64-byte aligned in the file, so that kernels use them in place.
    case raw = 0
    /// One zstd frame.
    case zstd = 1
  }

  public var encoding: Encoding
  /// Bytes from the start of the file.
  public var fileOffset: Int
  /// Bytes in the file.
  public var storedByteCount: Int
  /// Bytes once decoded.
  public var decodedByteCount: Int
  /// XXH64 of the stored bytes, so that a damaged frame never reaches the decoder.
  public var checksum: UInt64

  public init(
    encoding: Encoding, fileOffset: Int, storedByteCount: Int, decodedByteCount: Int, checksum: UInt64
  ) {
    self.encoding = encoding
    self.fileOffset = fileOffset
    self.storedByteCount = storedByteCount
    self.decodedByteCount = decodedByteCount
    self.checksum = checksum
  }
}
