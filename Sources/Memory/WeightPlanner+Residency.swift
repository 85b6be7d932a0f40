import ModelFile

/// Where the bytes of one operator's weights are between inferences, counted as they are once decoded.
public struct WeightResidency: Sendable, Equatable {
  /// Used from the mapped file.
  public var inPlaceByteCount = 0
  /// Kept decoded, or copied.
  public var residentByteCount = 0
  /// Read or decoded anew for every inference.
  public var streamedByteCount = 0

  public init() {}

  public var byteCount: Int { inPlaceByteCount + residentByteCount + streamedByteCount }
}

extension WeightPlanner {
  /// Where weights are under a placement, by blob. Blobs that are always in memory are resident.
  public func residencies(_ placement: WeightPlacement) -> [WeightResidency] {
    let last = max(layout.layers.map { $0.blob }.max() ?? -1, layout.fixedBlobs.map { $0.index }.max() ?? -1)
    var residencies = [WeightResidency](repeating: WeightResidency(), count: last + 1)
    for fixed in layout.fixedBlobs { residencies[fixed.index].residentByteCount = fixed.blob.byteCount }
    for item in layout.tiles {
      let byteCount = item.tile.decodedByteCount
      if layout.isStreamed(item, placement) {
        residencies[item.blob].streamedByteCount += byteCount
      } else if item.rank < placement.residentTileCount {
        residencies[item.blob].residentByteCount += byteCount
      } else {
        residencies[item.blob].inPlaceByteCount += byteCount
      }
    }
    return residencies
  }
}
