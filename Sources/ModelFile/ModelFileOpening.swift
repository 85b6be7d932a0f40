import System

/// A model file on its way to being open, in steps that each say before what memory they take: the header is read by `init`,
/// the metadata is checked and decoded by `decodeMetadata`, the graph is made by `ModelFile.init`.
public struct ModelFileOpening: ~Copyable {
  let path: String
  let byteCount: Int
  let mapping: Mapping
  private let header: ModelFormat.Header
  /// Holds `metadata` where it is compressed in the file.
  private var buffer: Mapping?
  /// The decoded metadata.
  private(set) var metadata = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Bytes of memory that the graph takes with a plan and steps made of it; known once the metadata is decoded.
  public private(set) var graphByteCount = 0
  /// Bytes of it that are only needed while the model is loaded.
  private(set) var droppedByteCount = 0

  private init(path: String, byteCount: Int, mapping: consuming Mapping, header: ModelFormat.Header) {
    self.path = path
    self.byteCount = byteCount
    self.mapping = mapping
    self.header = header
  }

  public init(_ file: borrowing File) throws(ModelFileError) {
    let byteCount: Int
    do { byteCount = try file.status().byteCount } catch { throw .system(error) }
    let mapping = try ModelFileOpening.map(file, byteCount)
    let header = try ModelFormat.Header(decoding: UnsafeRawBufferPointer(rebasing: mapping.bytes.prefix(byteCount)))
    self.init(path: file.path, byteCount: byteCount, mapping: mapping, header: header)
  }

  /// An empty file cannot be mapped; it is no model either.
  private static func map(_ file: borrowing File, _ byteCount: Int) throws(ModelFileError) -> Mapping {
    do { return try Mapping(reading: file, byteCount: max(byteCount, 1)) } catch { throw .system(error) }
  }

  /// Bytes of memory that the metadata takes while it is decoded: the file's pages, the decoder, the buffer.
  public var decodingByteCount: Int {
    let pages = Mapping.roundedToPages(header.metadataStoredByteCount)
    return header.metadataEncoding == .raw
      ? pages : pages + ZstdDecompressor.byteCount + Mapping.roundedToPages(header.metadataByteCount)
  }

  /// Checks the metadata, decodes it, and counts what its graph takes.
  public mutating func decodeMetadata() throws(ModelFileError) {
    let stored = UnsafeRawBufferPointer(
      rebasing: mapping.bytes[header.metadataOffset..<header.metadataOffset + header.metadataStoredByteCount])
    guard xxh64(stored) == header.metadataChecksum else { throw .damaged(part: "the metadata") }
    switch header.metadataEncoding {
    case .raw: metadata = stored
    case .zstd: try decompress(stored)
    }
    let footprint = try GraphFootprint(of: metadata)
    graphByteCount = Mapping.roundedToPages(footprint.byteCount)
    droppedByteCount = footprint.channelByteCount / Mapping.pageByteCount * Mapping.pageByteCount
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
