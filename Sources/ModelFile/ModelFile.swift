import System

/// A `.thimble` file, mapped and checked: its graph, and where the bytes of its blobs are.
///
/// Opening checks the header, the metadata and every offset, size and shape in it. A tile's bytes are checked against
/// their checksum by `verify` before they are first used.
public struct ModelFile: ~Copyable, Sendable {
  public let graph: Graph
  public let path: String
  /// Bytes of the file.
  public let byteCount: Int
  /// Bytes of the metadata once decoded: a measure of what the graph takes in memory.
  public let metadataByteCount: Int
  private let mapping: Mapping

  /// Opens the file at `path`.
  public static func open(_ path: String) throws(ModelFileError) -> ModelFile {
    let file: File
    do { file = try File(reading: path) } catch { throw .system(error) }
    return try ModelFile(file)
  }

  public init(_ file: borrowing File) throws(ModelFileError) {
    let byteCount = try ModelFile.byteCount(of: file)
    let mapping = try ModelFile.map(file, byteCount)
    let header = try ModelFormat.Header(decoding: UnsafeRawBufferPointer(rebasing: mapping.bytes.prefix(byteCount)))
    let stored = UnsafeRawBufferPointer(
      rebasing: mapping.bytes[header.metadataOffset..<header.metadataOffset + header.metadataStoredByteCount])
    guard xxh64(stored) == header.metadataChecksum else { throw .damaged(part: "the metadata") }
    let graph =
      switch header.metadataEncoding {
      case .raw: try Graph(decoding: stored)
      case .zstd: try ModelFile.decodeGraph(stored, byteCount: header.metadataByteCount)
      }
    try graph.validate(fileByteCount: byteCount)
    mapping.releasePages(offset: 0, byteCount: mapping.byteCount)
    self.graph = graph
    self.byteCount = byteCount
    self.path = file.path
    self.metadataByteCount = header.metadataByteCount
    self.mapping = mapping
  }

  /// Bytes of memory that opening takes at most, for the memory budget: the graph, and the metadata while it is decoded.
  public static func openingByteCount(of file: borrowing File) throws(ModelFileError) -> Int {
    let byteCount = try byteCount(of: file)
    let mapping = try map(file, byteCount)
    let header = try ModelFormat.Header(decoding: UnsafeRawBufferPointer(rebasing: mapping.bytes.prefix(byteCount)))
    let decoding =
      header.metadataEncoding == .raw
      ? 0 : ZstdDecompressor.byteCount + Mapping.roundedToPages(header.metadataByteCount)
    return graphByteCount(metadataByteCount: header.metadataByteCount)
      + Mapping.roundedToPages(header.metadataStoredByteCount) + decoding
  }

  /// Bytes a graph takes with the steps made of it: measured at less than twice its metadata.
  public static func graphByteCount(metadataByteCount: Int) -> Int {
    Mapping.roundedToPages(2 * metadataByteCount + 16 * 1024)
  }

  private static func byteCount(of file: borrowing File) throws(ModelFileError) -> Int {
    do { return try file.status().byteCount } catch { throw .system(error) }
  }

  /// An empty file cannot be mapped; it is no model either.
  private static func map(_ file: borrowing File, _ byteCount: Int) throws(ModelFileError) -> Mapping {
    do { return try Mapping(reading: file, byteCount: max(byteCount, 1)) } catch { throw .system(error) }
  }

  private static func decodeGraph(
    _ frame: UnsafeRawBufferPointer, byteCount: Int
  ) throws(ModelFileError) -> Graph {
    guard let decompressor = ZstdDecompressor() else {
      throw .system(SystemError("allocate", code: SystemError.outOfMemory))
    }
    let buffer: Mapping
    do { buffer = try Mapping(zeroed: byteCount) } catch { throw .system(error) }
    let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer.mutableBytes.prefix(byteCount))
    guard decompressor.decompress(frame, into: bytes) else { throw .undecodable(part: "the metadata") }
    return try Graph(decoding: UnsafeRawBufferPointer(bytes))
  }

  /// The stored bytes of a tile of this file's graph. They live as long as this value.
  public func storedBytes(of tile: Tile) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: mapping.bytes[tile.fileOffset..<tile.fileOffset + tile.storedByteCount])
  }

  /// Checks a tile's stored bytes against its checksum.
  public func verify(_ tile: Tile, of blob: Int) throws(ModelFileError) {
    guard xxh64(storedBytes(of: tile)) == tile.checksum else {
      throw .damaged(part: "a tile of blob \(blob) at byte \(tile.fileOffset)")
    }
  }

  /// Lets the kernel take back every resident page of the file.
  public func releasePages() { mapping.releasePages(offset: 0, byteCount: mapping.byteCount) }

  /// Asks the kernel to read a tile ahead.
  public func willNeedPages(of tile: Tile) {
    mapping.willNeedPages(offset: tile.fileOffset, byteCount: tile.storedByteCount)
  }
}
