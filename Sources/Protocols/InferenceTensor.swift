import Tensors

/// Where a tensor's elements stand in the message's body.
public enum InferencePayload: Equatable, Sendable {
  /// Little-endian elements, row-major, without padding.
  case binary(Range<Int>)
  /// A JSON array of numbers or Booleans, flat or nested; checked JSON, unchecked elements.
  case json(Range<Int>)
  /// Elements as in `binary`, in memory that client and server share: that is the body then.
  case shared(SharedMemoryReference)
}

/// A tensor of a message that was parsed. Its size in bytes is known to fit an Int.
public struct InferenceTensor: Equatable, Sendable {
  public let name: String
  public let elementType: ElementType
  public let shape: Shape
  public let payload: InferencePayload

  /// Bytes of the decoded tensor; of BYTES the number of elements. Precondition: `checkSize` has passed, as it has in every
  /// parsed message.
  public var byteCount: Int { shape.elementCount * elementType.byteCount }

  /// Checks that the sizes multiply without overflow and that a binary payload has the size they say.
  func checkSize() throws(ProtocolError) {
    guard let elements = shape.checkedElementCount else { throw .shapeInvalid(tensor: name) }
    let (bytes, overflow) = elements.multipliedReportingOverflow(by: elementType.byteCount)
    guard !overflow else { throw .shapeInvalid(tensor: name) }
    let actual: Int
    switch payload {
    case .binary(let range): actual = range.count
    case .shared(let reference): actual = reference.byteCount
    case .json: return
    }
    // Each element of BYTES has at least its length.
    if elementType == .bytes {
      guard actual / 4 >= elements else { throw .byteCountMismatch(tensor: name, expected: bytes, actual: actual) }
      return
    }
    guard actual == bytes else { throw .byteCountMismatch(tensor: name, expected: bytes, actual: actual) }
  }
}
