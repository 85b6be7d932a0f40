/// Dimensions of a tensor, outermost first (NHWC for pictures). An empty list is a scalar.
public struct Shape: Equatable, Sendable, CustomStringConvertible {
  public let dimensions: [Int]

  /// The most dimensions any operator here handles.
  public static let rankMax = 8

  public init(_ dimensions: [Int]) { self.dimensions = dimensions }

  public var rank: Int { dimensions.count }

  public subscript(axis: Int) -> Int { dimensions[axis] }

  /// Elements, or nil where a dimension is negative, the rank is over `rankMax` or the product overflows.
  public var checkedElementCount: Int? {
    guard rank <= Shape.rankMax else { return nil }
    var count = 1
    for dimension in dimensions {
      guard dimension >= 0 else { return nil }
      let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
      guard !overflow else { return nil }
      count = product
    }
    return count
  }

  /// Elements of a shape that has been checked. Precondition: `checkedElementCount` is not nil.
  public var elementCount: Int { dimensions.reduce(1, *) }

  /// Elements from one index of `axis` to the next in row-major order.
  public func stride(of axis: Int) -> Int { dimensions[(axis + 1)...].reduce(1, *) }

  /// The same with another outermost dimension. Precondition: it has one.
  public func withRows(_ count: Int) -> Shape { Shape([count] + dimensions.dropFirst()) }

  /// Row-major strides in elements.
  public var strides: [Int] { (0..<rank).map { stride(of: $0) } }

  public var description: String {
    var text = "["
    for (index, dimension) in dimensions.enumerated() { text += (index == 0 ? "" : ",") + "\(dimension)" }
    return text + "]"
  }
}
