import Tensors

/// Where a tensor's elements stand in the message's body.
public enum InferencePayload: Equatable, Sendable {
  /// Little-endian elements, row-major, without padding.
  case binary(Range<Int>)
  /// A JSON array of numbers or Booleans, flat or nested; checked JSON, unchecked elements.
  case json(Range<Int>)
}

/// A tensor of a message that was parsed. Its size in bytes is known to fit an Int.
public struct InferenceTensor: Equatable, Sendable {
  public let name: String
  public let elementType: ElementType
  public let shape: Shape
  public let payload: InferencePayload

  /// Bytes of the decoded tensor. Precondition: `checkSize` has passed, as it has in every parsed message.
  public var byteCount: Int { shape.elementCount * elementType.byteCount }

  /// Checks that the sizes multiply without overflow and that a binary payload has the size they say.
  func checkSize() throws(ProtocolError) {
    guard let elements = shape.checkedElementCount else { throw .shapeInvalid(tensor: name) }
    let (bytes, overflow) = elements.multipliedReportingOverflow(by: elementType.byteCount)
    guard !overflow else { throw .shapeInvalid(tensor: name) }
    guard case .binary(let range) = payload else { return }
    guard range.count == bytes else { throw .byteCountMismatch(tensor: name, expected: bytes, actual: range.count) }
  }
}
