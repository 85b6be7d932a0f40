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
  /// How many `residencies` returns: one for each blob.
  public var residencyCount: Int { layout.layers.count + layout.fixedBlobs.count }

  /// Where weights are under a placement, by blob. Blobs that are always in memory are resident.
  public func residencies(_ placement: WeightPlacement) -> [WeightResidency] {
    var residencies = [WeightResidency](repeating: WeightResidency(), count: residencyCount)
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
