/// The fixed part of a `.thimble` file; `FORMAT.md` describes the whole.
public enum ModelFormat {
  /// `THIMBLE` and a line feed, which text-mode transfers break.
  public static let magic: [UInt8] = Array("THIMBLE\n".utf8)
  public static let version: UInt32 = 1
  /// The header fills one page; the weights start on the next.
  public static let headerByteCount = 4096
  /// Bytes of the header that carry values; the rest of the page is zero.
  static let headerValueByteCount = 64
  /// Tiles and metadata start at multiples of this.
  public static let alignment = 64

  /// Bytes of the file after the last raw tile, so that kernels may read past a tensor's end.
  static let trailingByteCount = 64

  struct Header {
    var fileByteCount = 0
    var metadataOffset = 0
    var metadataStoredByteCount = 0
    var metadataByteCount = 0
    var metadataEncoding = Tile.Encoding.raw
    var metadataChecksum: UInt64 = 0
  }

  /// The smallest multiple of `alignment` at or above `offset`.
  static func aligned(_ offset: Int) -> Int { (offset + alignment - 1) / alignment * alignment }
}
