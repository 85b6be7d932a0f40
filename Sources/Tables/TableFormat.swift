import ModelFile
import Tensors

/// The container of a table; see FORMAT.md.
public enum TableFormat {
  static let magic = Array("THMTABLE".utf8)
  static let version: UInt32 = 1
  static let headerByteCount = 64

  /// Whether a file with these first bytes is a table.
  public static func isTable(_ start: UnsafeRawBufferPointer) -> Bool { start.prefix(magic.count).elementsEqual(magic) }

  /// Where a block lies, and what it holds.
  struct Block {
    var fileOffset: Int
    /// As many as `decodedByteCount` where it is not compressed.
    var storedByteCount: Int
    var decodedByteCount: Int
    var firstRow: Int
    var rowCount: Int
    /// Of the stored bytes (XXH64).
    var checksum: UInt64

    /// Bytes in the metadata.
    static let encodedByteCount = 28
  }

  struct Header {
    var fileByteCount = 0
    var metadataOffset = 0
    var metadataByteCount = 0
    var metadataChecksum: UInt64 = 0
    var rowCount = 0

    init() {}

    func encoded() -> [UInt8] {
      var writer = ByteWriter()
      for byte in magic { writer.write(byte) }
      writer.write(version)
      writer.write(UInt32(0))
      writer.write(fileByteCount)
      writer.write(metadataOffset)
      writer.write(metadataByteCount)
      writer.write(metadataChecksum)
      writer.write(rowCount)
      let checksum = writer.bytes.withUnsafeBytes { xxh64($0) }
      writer.write(checksum)
      return writer.bytes
    }

    init(decoding bytes: UnsafeRawBufferPointer, fileByteCount actualByteCount: Int) throws(ModelFileError) {
      guard isTable(bytes) else { throw .notAModel }
      guard bytes.count >= headerByteCount else { throw .wrongSize(expected: headerByteCount, actual: bytes.count) }
      var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[magic.count..<headerByteCount]))
      let version = try reader.read(UInt32.self, "the version")
      guard version == TableFormat.version else { throw .unsupportedVersion(version) }
      _ = try reader.read(UInt32.self, "what is kept for later")
      let checksum = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: headerByteCount - 8, as: UInt64.self))
      guard xxh64(UnsafeRawBufferPointer(rebasing: bytes[..<(headerByteCount - 8)])) == checksum else {
        throw .damaged(part: "the header")
      }
      fileByteCount = try reader.readCount("the file's size", limit: Int.max)
      guard fileByteCount == actualByteCount else {
        throw .wrongSize(expected: fileByteCount, actual: actualByteCount)
      }
      metadataOffset = try reader.readCount("the metadata's offset", limit: fileByteCount)
      metadataByteCount = try reader.readCount("the metadata's size", limit: fileByteCount - metadataOffset)
      metadataChecksum = try reader.read(UInt64.self, "the metadata's checksum")
      rowCount = try reader.readCount("the number of rows", limit: TableLimits.rowCountMax)
    }
  }
}
