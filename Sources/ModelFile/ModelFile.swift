import System

/// A `.thimble` file, mapped and checked: its graph, and where the bytes of its blobs are.
///
/// Opening checks the header, the metadata and every offset, size and shape in it. A tile's bytes are checked against
/// their checksum by `verify` before they are first used.
public struct ModelFile: ~Copyable, Sendable {
  public private(set) var graph: Graph
  /// Bytes of memory that the graph takes with a plan and steps made of it.
  public let graphByteCount: Int
  /// Bytes of it that go with the graph: what tables are made of once, when the model is loaded.
  public let droppedByteCount: Int
  /// Bytes of memory that opening takes at most, the graph included.
  public let openingByteCount: Int
  /// Tells models apart by all that they contain: the checksum of the metadata, in which every tile's is.
  public let contentKey: UInt64
  private let file: MappedFile

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
    let graph: Graph
    do throws(ModelFileError) {
      graph = try Graph(decoding: opening.metadata)
      try graph.validate(fileByteCount: opening.file.byteCount)
    } catch {
      throw opening.file.cause(of: error)
    }
    self.graph = graph
    graphByteCount = opening.graphByteCount
    droppedByteCount = opening.droppedByteCount
    openingByteCount = opening.decodingByteCount + opening.graphByteCount
    contentKey = opening.header.metadataChecksum
    file = opening.file
  }

  public var path: String { file.path }
  /// Bytes of the file.
  public var byteCount: Int { file.byteCount }

  /// Empties the graph, which is no longer needed once a model is loaded.
  public mutating func dropGraph() {
    graph = Graph(name: graph.name, tensors: [], operators: [], inputs: [], outputs: [], blobs: [])
  }

  /// The stored bytes of a tile of this file's graph, mapped. They live as long as this value.
  ///
  /// To touch one of them may make any number of the file's pages resident: the kernel maps as much as its cache has in one
  /// piece. What is to be kept in bounds is read with `read`.
  public func mappedBytes(of tile: Tile) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: file.bytes[tile.fileOffset..<tile.fileOffset + tile.storedByteCount])
  }

  /// Reads the stored bytes of a tile; `buffer` has room for them. Makes no page of the file resident.
  public func read(_ tile: Tile, into buffer: UnsafeMutableRawPointer) throws(ModelFileError) {
    try read(tile, from: 0, byteCount: tile.storedByteCount, into: buffer)
  }

  /// Reads some of the stored bytes of a tile.
  public func read(
    _ tile: Tile, from offset: Int, byteCount: Int, into buffer: UnsafeMutableRawPointer
  ) throws(ModelFileError) {
    let bytes = UnsafeMutableRawBufferPointer(start: buffer, count: byteCount)
    do { try file.read(into: bytes, at: tile.fileOffset + offset) } catch { throw file.cause(of: .system(error)) }
  }

  /// Checks a tile's stored bytes against its checksum.
  public func verify(_ stored: UnsafeRawBufferPointer, _ tile: Tile, of blob: Int) throws(ModelFileError) {
    guard xxh64(stored) == tile.checksum else {
      throw file.cause(of: .damaged(part: "a tile of blob \(blob) at byte \(tile.fileOffset)"))
    }
  }

  /// Whether every byte read so far was the file as it was opened: asked after whatever was computed from it, which is worth
  /// nothing where this throws. Takes less than a microsecond.
  ///
  /// - Throws: `changed` where somebody has written to the file or cut it off; `unreadable` where reading it failed.
  public func check() throws(ModelFileError) { try file.check() }

  /// Why something is wrong with the file's bytes: what `check` says, or else `error`.
  public func cause(of error: ModelFileError) -> ModelFileError { file.cause(of: error) }

  /// Lets the kernel take back every resident page of the file.
  public func releasePages() { file.releasePages() }
}
