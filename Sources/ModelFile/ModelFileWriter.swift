import System

/// Writes a graph and the bytes of its blobs as a `.thimble` file.
public enum ModelFileWriter {
  public enum Compression: Sendable {
    /// zstd where it saves at least an eighth of a tile, in models of some size: a decoder takes 0.1 MiB. A raw tile costs nothing to load and is used from the mapping, whose
    /// clean pages the kernel may take back; a frame is decoded to private memory at some 0.8 GB/s.
    case whereItSaves
    /// zstd wherever it saves a byte: for the smallest file.
    case always
    /// Everything raw: for a model that is used once, from memory.
    case none
  }

  /// What was written.
  public struct Summary: Sendable {
    public var fileByteCount = 0
    public var blobByteCount = 0
    public var storedBlobByteCount = 0
    public var tileCount = 0
    public var rawTileCount = 0
  }

  /// Writes to `path` by way of a neighbour that is renamed at the end, so that a reader never sees half a file.
  public static func write(
    _ graph: Graph, payloads: [[UInt8]], to path: String, compression: Compression = .whereItSaves,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws(ModelFileError) -> Summary {
    let file: File
    do { file = try File.partial(of: path) } catch { throw .system(error) }
    do throws(ModelFileError) {
      let summary = try write(graph, payloads: payloads, to: file, compression: compression, progress: progress)
      do throws(SystemError) {
        try file.synchronize()
        // What was written piece by piece lies in the kernel's cache page by page; what is read comes in large pieces, which
        // cost a third to read again.
        file.forgetCached()
        try FileSystem.rename(file.path, to: path)
      } catch {
        throw .system(error)
      }
      return summary
    } catch {
      try? FileSystem.remove(file.path)
      throw error
    }
  }

  /// Writes to an empty file. `payloads[i]` holds the decoded bytes of blob i.
  public static func write(
    _ graph: Graph, payloads: [[UInt8]], to file: borrowing File, compression: Compression,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws(ModelFileError) -> Summary {
    try graph.validate()
    guard graph.blobs.count == payloads.count else {
      throw .invalid("\(graph.blobs.count) blobs, \(payloads.count) payloads")
    }
    let compressor = ZstdCompressor()
    var graph = graph
    var summary = Summary()
    var offset = ModelFormat.headerByteCount
    let isCompressed =
      compression == .always
      || compression == .whereItSaves
        && payloads.reduce(0) { $0 + $1.count } >= ModelLimits.compressedByteCountMin
    let units = tileUnits(of: graph)
    for (index, payload) in payloads.enumerated() {
      guard payload.count == graph.blobs[index].byteCount else {
        throw .invalid("blob \(index) has \(graph.blobs[index].byteCount) bytes, its payload \(payload.count)")
      }
      var tiles: [Tile] = []
      var start = 0
      while start < payload.count {
        let count = min(tileByteCount(unit: units[index]), payload.count - start)
        let tile = try payload.withUnsafeBytesTyped { (bytes) throws(ModelFileError) -> Tile in
          let bytes = UnsafeRawBufferPointer(rebasing: bytes[start..<start + count])
          let limit = compression == .always ? bytes.count : bytes.count - bytes.count / 8
          if isCompressed, let frame = compressor?.compress(bytes, limit: limit) {
            return try frame.withUnsafeBytesTyped { (frame) throws(ModelFileError) -> Tile in
              try writeTile(frame, .zstd, decodedByteCount: count, to: file, at: offset)
            }
          }
          return try writeTile(bytes, .raw, decodedByteCount: count, to: file, at: offset)
        }
        tiles.append(tile)
        summary.tileCount += 1
        summary.rawTileCount += tile.encoding == .raw ? 1 : 0
        summary.storedBlobByteCount += tile.storedByteCount
        offset = ModelFormat.aligned(offset + tile.storedByteCount)
        start += count
      }
      summary.blobByteCount += payload.count
      graph.blobs[index].tiles = tiles
      progress(index + 1, payloads.count)
    }
    summary.fileByteCount = try writeMetadata(of: graph, isCompressed ? compressor : nil, to: file, at: offset)
    return summary
  }

  /// Bytes that must stay together in one tile of each blob: a panel of the convolution that uses it.
  private static func tileUnits(of graph: Graph) -> [Int] {
    var units = graph.blobs.map { _ in 1 }
    for step in graph.operators {
      switch step.operation {
      case .convolution(let convolution): units[convolution.weights] = convolution.panelByteCount
      case .depthwiseConvolution(let convolution): units[convolution.weights] = convolution.depthwisePanelByteCount
      default: break
      }
    }
    return units
  }

  /// The multiple of `unit` nearest below the target, but at least one.
  private static func tileByteCount(unit: Int) -> Int { max(1, ModelLimits.tileByteCountTarget / unit) * unit }

  private static func writeTile(
    _ stored: UnsafeRawBufferPointer, _ encoding: Tile.Encoding, decodedByteCount: Int, to file: borrowing File,
    at offset: Int
  ) throws(ModelFileError) -> Tile {
    do { try file.write(stored, at: offset) } catch { throw .system(error) }
    return Tile(
      encoding: encoding, fileOffset: offset, storedByteCount: stored.count, decodedByteCount: decodedByteCount,
      checksum: xxh64(stored))
  }

  /// Writes the metadata and then the header; returns the file's size.
  private static func writeMetadata(
    of graph: Graph, _ compressor: ZstdCompressor?, to file: borrowing File,
    at offset: Int
  ) throws(ModelFileError) -> Int {
    let encoded = graph.encoded()
    guard encoded.count <= ModelLimits.metadataByteCountMax else {
      throw .tooLarge(part: "the metadata", count: encoded.count, limit: ModelLimits.metadataByteCountMax)
    }
    var header = ModelFormat.Header()
    var stored = encoded
    if let frame = encoded.withUnsafeBytes({ compressor?.compress($0, limit: encoded.count) }) {
      stored = frame
      header.metadataEncoding = .zstd
    }
    header.metadataOffset = offset
    header.metadataStoredByteCount = stored.count
    header.metadataByteCount = encoded.count
    header.metadataChecksum = stored.withUnsafeBytes { xxh64($0) }
    header.fileByteCount = offset + max(stored.count, ModelFormat.trailingByteCount)
    let padding = [UInt8](repeating: 0, count: header.fileByteCount - offset - stored.count)
    let page =
      header.encoded() + [UInt8](repeating: 0, count: ModelFormat.headerByteCount - ModelFormat.headerValueByteCount)
    do throws(SystemError) {
      try (stored + padding).withUnsafeBytesTyped { (bytes) throws(SystemError) in try file.write(bytes, at: offset) }
      try page.withUnsafeBytesTyped { (bytes) throws(SystemError) in try file.write(bytes, at: 0) }
    } catch {
      throw .system(error)
    }
    return header.fileByteCount
  }
}

extension Array where Element == UInt8 {
  /// `withUnsafeBytes` with typed throws.
  func withUnsafeBytesTyped<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try withUnsafeBufferPointer { (buffer) throws(Failure) -> Result in try body(UnsafeRawBufferPointer(buffer)) }
  }
}
