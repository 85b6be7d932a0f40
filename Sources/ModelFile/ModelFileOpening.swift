import System

/// A model file on its way to being open, in steps that each say before what memory they take: the header is read by `init`,
/// the metadata is checked and decoded by `decodeMetadata`, the graph is made by `ModelFile.init`.
public struct ModelFileOpening: ~Copyable {
  let file: MappedFile
  let header: ModelFormat.Header
  /// Holds `metadata`.
  private var buffer: Mapping?
  /// The decoded metadata.
  private(set) var metadata = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Bytes of memory that the graph takes with a plan and steps made of it; known once the metadata is decoded.
  public private(set) var graphByteCount = 0
  /// Bytes of it that are only needed while the model is loaded.
  private(set) var droppedByteCount = 0

  private init(file: consuming MappedFile, header: ModelFormat.Header) {
    self.file = file
    self.header = header
  }

  public init(_ file: borrowing File) throws(ModelFileError) {
    let mapped = try ModelFileOpening.map(file)
    let header: ModelFormat.Header
    do { header = try ModelFileOpening.header(mapped) } catch { throw mapped.cause(of: error) }
    self.init(file: mapped, header: header)
  }

  private static func header(_ file: borrowing MappedFile) throws(ModelFileError) -> ModelFormat.Header {
    let count = min(file.byteCount, ModelFormat.headerValueByteCount)
    let fileByteCount = file.byteCount
    var bytes = [UInt8](repeating: 0, count: count)
    try read(&bytes, file)
    return try bytes.withUnsafeBytesTyped { (bytes) throws(ModelFileError) in
      try ModelFormat.Header(decoding: bytes, fileByteCount: fileByteCount)
    }
  }

  private static func read(_ bytes: inout [UInt8], _ file: borrowing MappedFile) throws(ModelFileError) {
    do throws(SystemError) {
      try bytes.withUnsafeMutableBufferPointer { (buffer) throws(SystemError) in
        try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
      }
    } catch {
      throw .system(error)
    }
  }

  private static func map(_ file: borrowing File) throws(ModelFileError) -> MappedFile {
    do { return try MappedFile(file) } catch { throw .system(error) }
  }

  /// Bytes of memory that the metadata takes while it is decoded: as stored, the decoder, as decoded.
  public var decodingByteCount: Int {
    let pages = Mapping.roundedToPages(header.metadataStoredByteCount)
    return header.metadataEncoding == .raw
      ? pages : pages + ZstdDecompressor.byteCount + Mapping.roundedToPages(header.metadataByteCount)
  }

  /// Checks the metadata, decodes it, and counts what its graph takes.
  public mutating func decodeMetadata() throws(ModelFileError) {
    do { try readMetadata() } catch { throw file.cause(of: error) }
  }

  private mutating func readMetadata() throws(ModelFileError) {
    let stored = try readStored()
    let bytes = UnsafeRawBufferPointer(start: stored.base, count: header.metadataStoredByteCount)
    guard xxh64(bytes) == header.metadataChecksum else { throw .damaged(part: "the metadata") }
    switch header.metadataEncoding {
    case .raw:
      metadata = bytes
      buffer = consume stored
    case .zstd:
      try decompress(bytes)
      _ = consume stored
    }
    let footprint = try GraphFootprint(of: metadata)
    graphByteCount = Mapping.roundedToPages(footprint.byteCount)
    droppedByteCount = footprint.channelByteCount / Mapping.pageByteCount * Mapping.pageByteCount
  }

  private func readStored() throws(ModelFileError) -> Mapping {
    let count = header.metadataStoredByteCount
    do throws(SystemError) {
      let stored = try Mapping(zeroed: count)
      try file.read(into: UnsafeMutableRawBufferPointer(start: stored.base, count: count), at: header.metadataOffset)
      return stored
    } catch {
      throw .system(error)
    }
  }

  private mutating func decompress(_ frame: UnsafeRawBufferPointer) throws(ModelFileError) {
    guard let decompressor = ZstdDecompressor() else {
      throw .system(SystemError("allocate", code: SystemError.outOfMemory))
    }
    let buffer: Mapping
    do { buffer = try Mapping(zeroed: header.metadataByteCount) } catch { throw .system(error) }
    let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer.mutableBytes.prefix(header.metadataByteCount))
    guard decompressor.decompress(frame, into: bytes) else { throw .undecodable(part: "the metadata") }
    metadata = UnsafeRawBufferPointer(bytes)
    self.buffer = consume buffer
  }
}
