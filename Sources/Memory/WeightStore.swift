import ModelFile
import System

/// Where the bytes of a model's blobs are while it runs.
///
/// Each tile is *in place* (raw in the file, used from the mapping) or *resident* (decoded once, kept). A tile that is
/// decoded anew for every inference, ahead of its use, is the third kind this type is made for.
public final class WeightStore: @unchecked Sendable {
  /// A run of consecutive bytes of a blob.
  public struct Segment: @unchecked Sendable {
    public let base: UnsafeRawPointer
    public let byteCount: Int
  }

  private let file: ModelFile
  private let decoded: Arena
  private let inPlace: MemoryBudget.Reservation
  private let segmentsOfBlobs: [[Segment]]

  /// Bytes that loading a graph reserves.
  public struct Needs: Sendable, Equatable {
    /// Decoded tiles, kept.
    public var residentByteCount = 0
    /// Raw tiles, used from the mapping: they are resident whenever they are used.
    public var inPlaceByteCount = 0
    /// While loading: the decoder, and the pages of the file it reads from.
    public var loadingByteCount = 0

    public init(of file: borrowing ModelFile) {
      var largest = 0
      var inPlace = FilePages()
      for blob in file.graph.blobs {
        for tile in blob.tiles {
          switch tile.encoding {
          case .raw: inPlace.add(tile.fileOffset, tile.storedByteCount)
          case .zstd:
            residentByteCount += WeightStore.alignedByteCount(tile.decodedByteCount)
            largest = max(largest, tile.storedByteCount)
          }
        }
      }
      inPlaceByteCount = min(inPlace.residentByteCount, Mapping.roundedToPages(file.byteCount))
      // Whole pages, as they are reserved: a sum of needs that fits must fit in every reservation.
      if residentByteCount > 0 {
        residentByteCount = Mapping.roundedToPages(residentByteCount + WeightStore.slackByteCount)
      }
      if largest > 0 {
        loadingByteCount = Mapping.roundedToPages(
          ZstdDecompressor.byteCount + WeightStore.releaseByteCount + largest + WeightStore.faultAroundByteCount)
      }
    }
  }

  /// Kernels may read this far past a tensor's end.
  static let slackByteCount = 64
  /// Compressed bytes that may be resident while loading before the file's pages are let go. Pages of raw tiles come back
  /// when they are used.
  static let releaseByteCount = 128 * 1024
  /// Pages around a tile's ends.
  static let faultAroundByteCount = 2 * FilePages.windowByteCount
  static let alignment = 64
  static func alignedByteCount(_ byteCount: Int) -> Int { (byteCount + alignment - 1) / alignment * alignment }

  /// Verifies every tile and decodes those that are compressed.
  public init(_ file: consuming ModelFile, budget: MemoryBudget) throws(LoadingError) {
    let needs = Needs(of: file)
    let inPlace = try inMemory { () throws(MemoryError) in
      try budget.check(needs.residentByteCount + needs.inPlaceByteCount + needs.loadingByteCount)
      return try budget.reserve(needs.inPlaceByteCount, for: .weights, kind: .mapped)
    }
    let loading = try inMemory { () throws(MemoryError) in
      try budget.reserve(needs.loadingByteCount, for: .decoder)
    }
    let decoded = try inMemory { () throws(MemoryError) in
      try Arena(byteCount: needs.residentByteCount, for: .weights, budget: budget)
    }
    do throws(ModelFileError) {
      segmentsOfBlobs = try WeightStore.load(file, into: decoded.base)
      try file.check()
    } catch {
      throw .file(file.cause(of: error))
    }
    self.decoded = decoded
    self.inPlace = inPlace
    self.file = file
    _ = consume loading
  }

  private static func load(
    _ file: borrowing ModelFile, into base: UnsafeMutableRawPointer
  ) throws(ModelFileError) -> [[Segment]] {
    let decompressor = file.graph.hasCompressedTiles ? ZstdDecompressor() : nil
    var segmentsOfBlobs: [[Segment]] = []
    var offset = 0
    var unreleased = 0
    var end = 0
    for (index, blob) in file.graph.blobs.enumerated() {
      var segments: [Segment] = []
      for tile in blob.tiles {
        // A touched page brings its neighbours: tiles that lie apart are let go one by one.
        if tile.fileOffset < end || tile.fileOffset > end + alignment {
          file.releasePages()
          unreleased = 0
        }
        end = tile.fileOffset + tile.storedByteCount
        try file.verify(tile, of: index)
        let stored = file.storedBytes(of: tile)
        let start: UnsafeRawPointer
        switch tile.encoding {
        case .raw: start = stored.baseAddress!
        case .zstd:
          let output = UnsafeMutableRawBufferPointer(start: base + offset, count: tile.decodedByteCount)
          guard let decompressor, decompressor.decompress(stored, into: output) else {
            throw .undecodable(part: "a tile of blob \(index) at byte \(tile.fileOffset)")
          }
          unreleased += tile.storedByteCount
          start = UnsafeRawPointer(output.baseAddress!)
          offset += alignedByteCount(tile.decodedByteCount)
        }
        append(Segment(base: start, byteCount: tile.decodedByteCount), to: &segments)
        if unreleased >= releaseByteCount {
          file.releasePages()
          unreleased = 0
        }
      }
      segmentsOfBlobs.append(segments)
    }
    file.releasePages()
    return segmentsOfBlobs
  }

  /// Tiles that lie one after the other in memory become one segment: fewer, larger kernel calls.
  private static func append(_ segment: Segment, to segments: inout [Segment]) {
    if let last = segments.last, last.base + last.byteCount == segment.base {
      segments[segments.count - 1] = Segment(base: last.base, byteCount: last.byteCount + segment.byteCount)
    } else {
      segments.append(segment)
    }
  }

  /// Whether the model's file is as it was opened: see `ModelFile.check`.
  public func checkFile() throws(ModelFileError) { try file.check() }

  public func segments(of blob: Int) -> [Segment] { segmentsOfBlobs[blob] }

  /// The bytes of a blob that is one segment (constants are); nil where it is in pieces.
  public func contiguousBytes(of blob: Int) -> UnsafeRawBufferPointer? {
    let segments = segmentsOfBlobs[blob]
    guard segments.count == 1 else { return nil }
    return UnsafeRawBufferPointer(start: segments[0].base, count: segments[0].byteCount)
  }
}

extension Graph {
  fileprivate var hasCompressedTiles: Bool { blobs.contains { $0.tiles.contains { $0.encoding == .zstd } } }
}

/// Runs `body`, wrapping its error.
private func inMemory<Result: ~Copyable>(
  _ body: () throws(MemoryError) -> Result
) throws(LoadingError) -> Result {
  do { return try body() } catch { throw .memory(error) }
}
