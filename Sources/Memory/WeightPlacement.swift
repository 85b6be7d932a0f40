import ModelFile
import System

/// What of a model's weights stays in memory between inferences, and how the rest passes through.
///
/// A compressed tile is *resident* (decoded once, kept) or *streamed* (decoded into a ring for every inference, ahead of its
/// use). A raw tile is *in place*: its pages stay mapped, or they pass through a window and are let go after use.
public struct WeightPlacement: Sendable, Equatable {
  /// Tiles that are kept: the first of the layout's compressed tiles, and the first of its raw tiles.
  var residentTileCount: Int
  var inPlaceTileCount: Int
  /// Bytes of the ring that streamed tiles are decoded into.
  public var ringByteCount: Int
  /// Resident bytes of the file that passing raw tiles may have at once.
  public var windowByteCount: Int
  /// Threads that can decode at once.
  public var decoderCount: Int
}

/// Bytes that a placement takes. Whole pages, as they are reserved.
public struct WeightCosts: Sendable, Equatable {
  /// Held as long as the model is loaded, whatever the placement: constants.
  public var fixedByteCount = 0
  /// Kept between inferences: decoded tiles, and pages of raw tiles.
  public var residentByteCount = 0
  public var inPlaceByteCount = 0
  /// Needed while an inference runs: the ring, the window, decoders and the compressed pages that they read.
  public var ringByteCount = 0
  public var windowByteCount = 0
  public var decoderByteCount = 0
  /// Weights that pass through for every inference, decoded, and bytes read from the file for them.
  public var streamedByteCount = 0
  public var passingByteCount = 0
  public var readByteCount = 0

  /// Bytes that stay between inferences and may be given up.
  public var cacheByteCount: Int { residentByteCount + inPlaceByteCount }
  /// Bytes that are needed only while an inference runs.
  public var runningByteCount: Int { ringByteCount + windowByteCount + decoderByteCount }
}

extension WeightLayout {
  /// The placement that keeps everything.
  var keepingAll: WeightPlacement {
    WeightPlacement(
      residentTileCount: compressedTiles.count, inPlaceTileCount: rawTiles.count, ringByteCount: 0, windowByteCount: 0,
      decoderCount: 1)
  }

  func costs(of placement: WeightPlacement) -> WeightCosts {
    var costs = WeightCosts()
    costs.fixedByteCount = Mapping.roundedToPages(decodedFixedByteCount) + mappedFixedByteCount
    costs.residentByteCount = residentByteCount(placement.residentTileCount)
    costs.inPlaceByteCount = inPlaceByteCount(placement.inPlaceTileCount)
    for index in compressedTiles[placement.residentTileCount...] {
      costs.streamedByteCount += tiles[index].tile.decodedByteCount
      costs.readByteCount += tiles[index].tile.storedByteCount
    }
    for index in rawTiles[placement.inPlaceTileCount...] {
      costs.passingByteCount += tiles[index].tile.storedByteCount
      costs.readByteCount += tiles[index].tile.storedByteCount
    }
    costs.ringByteCount = costs.streamedByteCount > 0 ? Mapping.roundedToPages(placement.ringByteCount) : 0
    costs.windowByteCount = costs.passingByteCount > 0 ? Mapping.roundedToPages(placement.windowByteCount) : 0
    if costs.streamedByteCount > 0 { costs.decoderByteCount = placement.decoderCount * decodingByteCount }
    return costs
  }

  /// What a thread takes to decode: its context, and the compressed pages that it reads from.
  var decodingByteCount: Int {
    hasCompressedTiles
      ? Decoder.byteCount + Mapping.roundedToPages(largestStoredByteCount) + 2 * FilePages.windowByteCount : 0
  }

  /// Bytes of the first `count` compressed tiles once decoded.
  func residentByteCount(_ count: Int) -> Int {
    guard count > 0 else { return 0 }
    let last = tiles[compressedTiles[count - 1]]
    let end = last.decodedOffset + WeightLayout.aligned(last.tile.decodedByteCount) + WeightLayout.alignment
    return Mapping.roundedToPages(end) - Mapping.roundedToPages(decodedFixedByteCount)
  }

  /// Resident bytes of the first `count` raw tiles.
  func inPlaceByteCount(_ count: Int) -> Int {
    var pages = FilePages()
    for index in rawTiles[..<count] { pages.add(tiles[index].tile.fileOffset, tiles[index].tile.storedByteCount) }
    return pages.residentByteCount
  }

  /// Resident bytes of one raw tile that passes: its own pages, and the windows around its ends.
  static func passingByteCount(_ byteCount: Int) -> Int {
    (byteCount + FilePages.windowByteCount - 1) / FilePages.windowByteCount * FilePages.windowByteCount
      + FilePages.windowByteCount
  }
}
