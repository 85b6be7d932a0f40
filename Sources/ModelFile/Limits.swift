/// Every limit of the container. They bound what a hostile file can make a reader allocate or compute.
public enum ModelLimits {
  /// Bytes of one tensor.
  public static let tensorByteCountMax = 1 << 31
  /// Real networks have some hundred operators; placing this many tensors takes about a second.
  public static let tensorCountMax = 1 << 14
  public static let operatorCountMax = 1 << 14
  public static let blobCountMax = 1 << 16
  /// Bytes of one blob, and of one tile once decoded.
  public static let blobByteCountMax = 1 << 32
  public static let tileByteCountMax = 1 << 28
  public static let tileCountMax = 1 << 20
  /// Any one number of a window's geometry: with these, every product of three stays far below 2⁶³.
  public static let geometryMax = 1 << 20
  /// Taps of one window: the plan keeps a pointer for each.
  public static let windowTapsMax = 1 << 14
  public static let copyRegionCountMax = 1 << 16
  public static let operandCountMax = 1 << 12
  public static let nameByteCountMax = 1 << 12
  /// Bytes of the metadata once decoded.
  public static let metadataByteCountMax = 1 << 26
  /// Bytes of weights from which on a writer compresses where it saves enough.
  public static let compressedByteCountMin = 1 << 19
  /// What a writer aims at for one tile: small enough to stream, large enough that a frame's own tables do not show.
  public static let tileByteCountTarget = 1 << 16
}
