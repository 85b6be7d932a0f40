import Tensors

/// A tensor of several rows, each of which a model of batch 1 takes as one input.
extension InferenceTensor {
  /// How many rows of a shape `[1, …]` it has: 1 where the shapes are equal; nil where it has no such rows.
  public func rowCount(of rowShape: Shape) -> Int? {
    if shape == rowShape { return 1 }
    guard let count = shape.dimensions.first, count > 0, rowShape.dimensions.first == 1,
      shape == rowShape.withRows(count)
    else { return nil }
    return count
  }

  /// One of its rows, in the same memory. Precondition: it has that many, and is no JSON text.
  public func row(_ index: Int, of rowShape: Shape) -> InferenceTensor {
    let start: Int
    switch payload {
    case .binary(let range): start = range.lowerBound
    case .shared(let reference): start = reference.range?.lowerBound ?? 0
    case .json: preconditionFailure("JSON text has no rows of a known size")
    }
    let byteCount = rowShape.elementCount * elementType.byteCount
    return InferenceTensor(
      name: name, elementType: elementType, shape: rowShape,
      payload: .binary(start + index * byteCount..<start + (index + 1) * byteCount))
  }

  /// The same tensor in a buffer that it has been decoded to.
  public var decoded: InferenceTensor {
    InferenceTensor(name: name, elementType: elementType, shape: shape, payload: .binary(0..<byteCount))
  }
}
