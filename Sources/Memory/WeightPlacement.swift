import ModelFile
import System

/// What of a model's weights stays in memory between inferences, and how the rest passes through.
///
/// A tile is *in place* (raw, used from the mapped file), *resident* (read or decoded once, kept) or *streamed* (read or
/// decoded into a ring for every inference, ahead of its use).
public struct WeightPlacement: Sendable, Equatable {
  /// Whether all raw tiles are in place.
  public var isInPlace: Bool
  /// Tiles that are resident: the first in the layout's order of keeping.
  public var residentTileCount: Int
  /// Bytes of the ring; 0 where nothing is streamed.
  public var ringByteCount: Int
  /// Threads that can decode at once.
  public var readerCount: Int
}

/// Bytes that a placement takes. Whole pages, as they are reserved.
public struct WeightCosts: Sendable, Equatable {
  /// Held as long as the model is loaded, whatever the placement: constants.
  public var fixedByteCount = 0
  /// Kept between inferences: resident tiles, and pages of the mapped file.
  public var residentByteCount = 0
  public var inPlaceByteCount = 0
  /// Needed while an inference runs: the ring, decoders.
  public var ringByteCount = 0
  public var readerByteCount = 0
  /// Weights that pass through for every inference: decoded ones, raw ones, and bytes read from the file for both.
  public var decodedByteCount = 0
  public var copiedByteCount = 0
  public var readByteCount = 0
  public var streamedTileCount = 0

  /// Bytes that stay between inferences and may be given up.
  public var cacheByteCount: Int { residentByteCount + inPlaceByteCount }
  /// Bytes that are needed only while an inference runs.
  public var runningByteCount: Int { ringByteCount + readerByteCount }
  public var streamedByteCount: Int { decodedByteCount + copiedByteCount }
}

extension WeightLayout {
  /// The placement that keeps everything.
  var keepingAll: WeightPlacement {
    WeightPlacement(
      isInPlace: canBeInPlace, residentTileCount: canBeInPlace ? compressedTileCount : tiles.count, ringByteCount: 0,
      readerCount: 1)
  }

  func isStreamed(_ item: LayerTile, _ placement: WeightPlacement) -> Bool {
    item.rank >= placement.residentTileCount && !(placement.isInPlace && item.isRaw)
  }

  func costs(of placement: WeightPlacement) -> WeightCosts {
    var costs = WeightCosts()
    costs.fixedByteCount = Mapping.roundedToPages(fixedByteCount)
    costs.residentByteCount = residentByteCount(placement.residentTileCount)
    costs.inPlaceByteCount = placement.isInPlace ? fileByteCount : 0
    let first = placement.residentTileCount
    let end = max(first, placement.isInPlace ? compressedTileCount : tiles.count)
    let middle = min(max(first, compressedTileCount), end)
    costs.streamedTileCount = end - first
    costs.readByteCount = storedSums[end] - storedSums[first]
    costs.decodedByteCount = decodedSums[middle] - decodedSums[first]
    costs.copiedByteCount = decodedSums[end] - decodedSums[middle]
    if costs.streamedTileCount > 0 { costs.ringByteCount = Mapping.roundedToPages(placement.ringByteCount) }
    if costs.decodedByteCount > 0 {
      costs.readerByteCount = placement.readerCount * TileReader.byteCount(frameByteCount: frameByteCount)
    }
    return costs
  }

  /// Bytes of the first `count` tiles that are kept.
  private func residentByteCount(_ count: Int) -> Int {
    guard count > 0 else { return 0 }
    let last = tiles[keepOrder[count - 1]]
    let end = last.residentOffset + WeightLayout.aligned(last.tile.decodedByteCount) + WeightLayout.alignment
    return Mapping.roundedToPages(end) - Mapping.roundedToPages(fixedByteCount)
  }

  /// Bytes of the ring that a tile takes: kernels may read past its end.
  static func ringByteCount(_ decodedByteCount: Int) -> Int { aligned(decodedByteCount + alignment) }
}
