import Tensors

/// What each row of a table has under one name: `width` elements of a type.
public struct TableColumn: Equatable, Sendable {
  public let name: String
  /// FP32, INT64 or INT8, or BYTES: texts.
  public let elementType: ElementType
  public let width: Int

  public init(name: String, elementType: ElementType, width: Int = 1) {
    self.name = name
    self.elementType = elementType
    self.width = width
  }

  /// Bytes of one row's elements; nil where they have no common size.
  public var rowByteCount: Int? { elementType == .bytes ? nil : width * elementType.byteCount }

  static let elementTypes: [ElementType] = [.float32, .int64, .int8, .bytes]
}

/// Every limit of a table. They bound what a hostile file can make a reader allocate or compute.
public enum TableLimits {
  public static let columnCountMax = 64
  public static let widthMax = 1 << 16
  public static let rowCountMax = 1 << 40
  public static let blockCountMax = 1 << 24
  /// Rows of one block, and its bytes once decoded.
  public static let blockRowCountMax = 1 << 20
  public static let blockByteCountMax = 1 << 24
  /// What a writer aims at for one block, somewhat less than whole pages: a look-up decodes one, in some 20 µs.
  public static let blockByteCountTarget = 1 << 14 - 512
  /// Bytes of one key or text.
  public static let textByteCountMax = 1 << 16
}
