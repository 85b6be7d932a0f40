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
  /// Bytes of memory that the graph takes with a plan and steps made of it.
  public let graphByteCount: Int
  private let mapping: Mapping

  /// Opens the file at `path`.
  public static func open(_ path: String) throws(ModelFileError) -> ModelFile {
    let file: File
    do { file = try File(reading: path) } catch { throw .system(error) }
    return try ModelFile(file)
  }

  public init(_ file: borrowing File) throws(ModelFileError) {
    var opening = try ModelFileOpening(file)
    try opening.decodeMetadata()
    try self.init(opening)
  }

  /// Makes the graph. Precondition: the metadata has been decoded.
  public init(_ opening: consuming ModelFileOpening) throws(ModelFileError) {
    let graph = try Graph(decoding: opening.metadata)
    try graph.validate(fileByteCount: opening.byteCount)
    opening.mapping.releasePages(offset: 0, byteCount: opening.mapping.byteCount)
    self.graph = graph
    byteCount = opening.byteCount
    path = opening.path
    graphByteCount = opening.graphByteCount
    mapping = opening.mapping
  }

  /// The whole file. It lives as long as this value.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: mapping.bytes[..<byteCount]) }

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
