import System

/// A model file on its way to being open, in steps that each say before what memory they take: the header is read by `init`,
/// the metadata is checked and decoded by `decodeMetadata`, the graph is made by `ModelFile.init`.
public struct ModelFileOpening: ~Copyable {
  let file: MappedFile
  private let header: ModelFormat.Header
  /// Holds `metadata` where it is compressed in the file.
  private var buffer: Mapping?
  /// The decoded metadata.
  private(set) var metadata = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Bytes of memory that the graph takes with a plan and steps made of it; known once the metadata is decoded.
  public private(set) var graphByteCount = 0

  private init(file: consuming MappedFile, header: ModelFormat.Header) {
    self.file = file
    self.header = header
  }

  public init(_ file: borrowing File) throws(ModelFileError) {
    let mapped = try ModelFileOpening.map(file)
    let header: ModelFormat.Header
    do { header = try ModelFormat.Header(decoding: mapped.bytes) } catch { throw mapped.cause(of: error) }
    self.init(file: mapped, header: header)
  }

  private static func map(_ file: borrowing File) throws(ModelFileError) -> MappedFile {
    do { return try MappedFile(file) } catch { throw .system(error) }
  }

  /// Bytes of memory that the metadata takes while it is decoded: the file's pages, the decoder, the buffer.
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
    let stored = UnsafeRawBufferPointer(
      rebasing: file.bytes[header.metadataOffset..<header.metadataOffset + header.metadataStoredByteCount])
    guard xxh64(stored) == header.metadataChecksum else { throw .damaged(part: "the metadata") }
    switch header.metadataEncoding {
    case .raw: metadata = stored
    case .zstd: try decompress(stored)
    }
    graphByteCount = Mapping.roundedToPages(try GraphFootprint(of: metadata).byteCount)
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
