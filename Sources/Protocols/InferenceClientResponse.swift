import Tensors

/// An answer as a client reads it. Tensor data stays in the body that was parsed; see `InferenceTensor.decode`.
public struct InferenceClientResponse: Equatable, Sendable {
  public enum Output: Equatable, Sendable {
    case tensor(InferenceTensor)
    /// A BYTES tensor, as a classification is: `value:index[:label]` each, highest first.
    case strings(name: String, shape: Shape, [String])

    public var name: String {
      switch self {
      case .tensor(let tensor): tensor.name
      case .strings(let name, _, _): name
      }
    }
  }

  public var modelName = ""
  public var modelVersion = ""
  public var id: String?
  public var outputs: [Output] = []

  /// Parses the body of an answer of status 200; `headerContentLength` is its `Inference-Header-Content-Length`.
  /// Errors: what is malformed, missing or contradictory, as for a request.
  public init(parsing body: UnsafeRawBufferPointer, headerContentLength: Int? = nil) throws(ProtocolError) {
    let headerBytes = headerContentLength ?? body.count
    guard headerBytes >= 0, headerBytes <= body.count else {
      throw .headerLengthInvalid(headerBytes: headerBytes, bodyBytes: body.count)
    }
    var reader = JSONReader(UnsafeRawBufferPointer(rebasing: body[..<headerBytes]))
    var pending: [PendingTensor]?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "model_name": modelName = try reader.readString()
      case "model_version": modelVersion = try reader.readString()
      case "id": id = try reader.readString()
      case "outputs": pending = try PendingTensor.list(&reader)
      default: try reader.skipValue()
      }
    }
    try reader.finish()
    guard let pending else { throw .fieldMissing(field: "outputs", owner: "response") }
    let ranges = try PendingTensor.binaryRanges(pending, after: headerBytes, bodyBytes: body.count)
    for (entry, range) in zip(pending, ranges) {
      outputs.append(
        entry.datatype == "BYTES"
          ? try InferenceClientResponse.strings(entry, body, binary: range) : .tensor(try entry.tensor(binary: range)))
    }
  }

  private static func strings(
    _ entry: PendingTensor, _ body: UnsafeRawBufferPointer, binary: Range<Int>
  ) throws(ProtocolError) -> Output {
    guard let name = entry.name else { throw .fieldMissing(field: "name", owner: "tensor") }
    let shape = Shape(entry.dimensions ?? [])
    guard let count = shape.checkedElementCount else { throw .shapeInvalid(tensor: name) }
    let strings: [String]
    if let data = entry.data {
      strings = try jsonStrings(UnsafeRawBufferPointer(rebasing: body[data]))
    } else {
      strings = try binaryStrings(UnsafeRawBufferPointer(rebasing: body[binary]), tensor: name)
    }
    guard strings.count == count else {
      throw .elementCountMismatch(tensor: name, expected: count, actual: strings.count)
    }
    return .strings(name: name, shape: shape, strings)
  }

  private static func jsonStrings(_ text: UnsafeRawBufferPointer) throws(ProtocolError) -> [String] {
    var reader = JSONReader(text)
    var strings: [String] = []
    try reader.beginArray()
    while try reader.nextElement() { strings.append(try reader.readString()) }
    return strings
  }

  /// Each string is its length (u32, little-endian) and its bytes.
  private static func binaryStrings(
    _ bytes: UnsafeRawBufferPointer, tensor: String
  ) throws(ProtocolError) -> [String] {
    var strings: [String] = []
    var position = 0
    while position < bytes.count {
      guard bytes.count - position >= 4 else {
        throw .byteCountMismatch(tensor: tensor, expected: position + 4, actual: bytes.count)
      }
      let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
      position += 4
      guard length <= bytes.count - position else {
        throw .byteCountMismatch(tensor: tensor, expected: position + length, actual: bytes.count)
      }
      strings.append(bytes.string(position..<(position + length)))
      position += length
    }
    return strings
  }
}
