extension ModelFormat.Header {
  func encoded() -> [UInt8] {
    var writer = ByteWriter()
    for byte in ModelFormat.magic { writer.write(byte) }
    writer.write(ModelFormat.version)
    writer.write(UInt32(metadataEncoding.rawValue))
    writer.write(fileByteCount)
    writer.write(metadataOffset)
    writer.write(metadataStoredByteCount)
    writer.write(metadataByteCount)
    writer.write(metadataChecksum)
    let checksum = writer.bytes.withUnsafeBytes { xxh64($0) }
    writer.write(checksum)
    return writer.bytes
  }

  /// Reads and checks a header: the first bytes of a file, all values or as many as it has.
  init(decoding file: UnsafeRawBufferPointer, fileByteCount actualByteCount: Int) throws(ModelFileError) {
    let byteCount = ModelFormat.headerValueByteCount
    guard file.prefix(ModelFormat.magic.count).elementsEqual(ModelFormat.magic) else { throw .notAModel }
    guard actualByteCount >= ModelFormat.headerByteCount else {
      throw .wrongSize(expected: ModelFormat.headerByteCount, actual: actualByteCount)
    }
    var reader = ByteReader(UnsafeRawBufferPointer(rebasing: file[ModelFormat.magic.count..<byteCount]))
    let version = try reader.read(UInt32.self, "the version")
    guard version == ModelFormat.version else { throw .unsupportedVersion(version) }
    let checksum = UInt64(littleEndian: file.loadUnaligned(fromByteOffset: byteCount - 8, as: UInt64.self))
    guard xxh64(UnsafeRawBufferPointer(rebasing: file[..<(byteCount - 8)])) == checksum else {
      throw .damaged(part: "the header")
    }
    guard let encoding = Tile.Encoding(rawValue: UInt8(clamping: try reader.read(UInt32.self, "an encoding")))
    else { throw .invalid("the metadata has an unknown encoding") }
    metadataEncoding = encoding
    fileByteCount = try reader.readCount("the file's size", limit: Int.max)
    guard fileByteCount == actualByteCount else {
      throw .wrongSize(expected: fileByteCount, actual: actualByteCount)
    }
    metadataOffset = try reader.readCount("the metadata's offset", limit: fileByteCount)
    metadataStoredByteCount = try reader.readCount("the metadata's stored size", limit: fileByteCount - metadataOffset)
    metadataByteCount = try reader.readCount("the metadata's size", limit: ModelLimits.metadataByteCountMax)
    guard encoding != .raw || metadataByteCount == metadataStoredByteCount, metadataByteCount > 0 else {
      throw .invalid("the metadata's sizes disagree")
    }
    metadataChecksum = try reader.read(UInt64.self, "the metadata's checksum")
  }
}
