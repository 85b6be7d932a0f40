import ModelFile
import System

/// Chooses how a model's weights are held in a given memory: the placement with the least predicted time.
public struct WeightPlanner: Sendable {
  let layout: WeightLayout
  public let usage: WeightStore.Usage
  public let rates: DeviceRates

  public init(_ graph: Graph, usage: WeightStore.Usage, rates: DeviceRates) {
    layout = WeightLayout(graph)
    self.usage = usage
    self.rates = rates
  }

  public var fixedByteCount: Int { layout.costs(of: layout.keepingAll).fixedByteCount }
  /// Bytes of weights once decoded.
  public var weightByteCount: Int { layout.tiles.reduce(0) { $0 + $1.tile.decodedByteCount } }
  public var keepingAll: WeightPlacement { layout.keepingAll }

  public func costs(of placement: WeightPlacement) -> WeightCosts { layout.costs(of: placement) }

  /// What a run needs of the workspace besides activations.
  public func needs(of placement: WeightPlacement, activationByteCount: Int) -> Workspace.Needs {
    let costs = layout.costs(of: placement)
    let decoders = costs.streamedByteCount > 0 ? placement.decoderCount : 0
    return Workspace.Needs(
      activationByteCount: activationByteCount, ringByteCount: costs.ringByteCount,
      windowByteCount: costs.windowByteCount + decoders * (layout.decodingByteCount - Decoder.byteCount),
      decoderCount: decoders)
  }

  /// What loading needs: every thread reads tiles and decodes those that are kept.
  public func loadingNeeds(decoderCount: Int) -> Workspace.Needs {
    let largest = layout.tiles.reduce(layout.largestStoredByteCount) { max($0, $1.tile.storedByteCount) }
    return Workspace.Needs(
      activationByteCount: 0, ringByteCount: 0,
      windowByteCount: usage.threadCount * WeightLayout.passingByteCount(largest),
      decoderCount: layout.hasCompressedTiles ? decoderCount : 0)
  }

  /// The fastest placement of which `byteCount`, bytes that it adds, is at most `available`; nil where there is none.
  public func placement(
    availableByteCount available: Int, byteCount: (WeightPlacement) -> Int
  ) -> WeightPlacement? {
    var best: (placement: WeightPlacement, nanoseconds: Double)?
    for passage in passages {
      guard let placement = fill(passage, available, byteCount) else { continue }
      let nanoseconds = passingNanoseconds(placement)
      if best == nil || nanoseconds < best!.nanoseconds { best = (placement, nanoseconds) }
    }
    return best?.placement
  }

  /// The placement of which `byteCount` is the least. Keeping a small model takes less than letting it pass.
  public func least(byteCount: (WeightPlacement) -> Int) -> WeightPlacement {
    var best = keepingAll
    for passage in passages where byteCount(passage) < byteCount(best) { best = passage }
    return best
  }

  /// Placements that keep as little as they can, with passages of several sizes; where a size is 0 all that would pass it is
  /// kept.
  private var passages: [WeightPlacement] {
    let threads = usage.threadCount
    let rings = layout.compressedTiles.isEmpty ? [0] : [0, ringByteCountMin, max(ringByteCountMin, ringByteCountGood)]
    var windows = [0]
    if !layout.rawTiles.isEmpty {
      let most = layout.rawTiles.reduce(0) { $0 + layout.tiles[$1].tile.storedByteCount } / 8
      windows.append(windowByteCountMin)
      var window = 2 * windowByteCountMin
      while window < max(4 * windowByteCountMin, most) {
        windows.append(window)
        window *= 2
      }
    }
    var passages: [WeightPlacement] = []
    for ring in rings {
      for window in windows {
        for decoders in ring > 0 && threads > 1 ? [1, threads] : [1] {
          passages.append(
            WeightPlacement(
              residentTileCount: ring == 0 ? layout.compressedTiles.count : 0,
              inPlaceTileCount: window == 0 ? layout.rawTiles.count : 0, ringByteCount: ring, windowByteCount: window,
              decoderCount: decoders))
        }
      }
    }
    return passages
  }

  /// Keeps as many tiles as fit beside a passage, those first that cost most to bring again.
  private func fill(
    _ passage: WeightPlacement, _ available: Int, _ byteCount: (WeightPlacement) -> Int
  ) -> WeightPlacement? {
    var placement = passage
    let (compressed, raw) = (layout.compressedTiles.count, layout.rawTiles.count)
    guard byteCount(placement) <= available else { return nil }
    placement.residentTileCount = WeightPlanner.most(from: placement.residentTileCount, to: compressed) {
      var more = placement
      more.residentTileCount = $0
      return byteCount(more) <= available
    }
    placement.inPlaceTileCount = WeightPlanner.most(from: placement.inPlaceTileCount, to: raw) {
      var more = placement
      more.inPlaceTileCount = $0
      return byteCount(more) <= available
    }
    return placement
  }

  /// The greatest count that fits, where `from` does, and where less fits if more does.
  private static func most(from: Int, to: Int, fits: (Int) -> Bool) -> Int {
    // Keeping everything takes less than keeping nearly everything: nothing passes any more.
    if fits(to) { return to }
    var (low, high) = (from, to)
    while low + 1 < high {
      let middle = (low + high) / 2
      if fits(middle) { low = middle } else { high = middle }
    }
    return low
  }

  // MARK: Sizes of passages

  /// Weights of a chain must be there together; else the largest tile must fit.
  var ringByteCountMin: Int {
    var bytes = 0
    for (chain, tiles) in tilesByChain(layout.compressedTiles) {
      let sizes = tiles.map { WeightLayout.aligned(layout.tiles[$0].tile.decodedByteCount + WeightLayout.alignment) }
      bytes = max(bytes, chain < 0 ? sizes.max() ?? 0 : sizes.reduce(0, +))
    }
    return bytes
  }

  private var ringByteCountGood: Int { max(3 * ringByteCountMin, (usage.threadCount + 2) * ringByteCountMin) }

  var windowByteCountMin: Int {
    var bytes = 0
    for (chain, tiles) in tilesByChain(layout.rawTiles) {
      let sizes = tiles.map { WeightLayout.passingByteCount(layout.tiles[$0].tile.storedByteCount) }
      bytes = max(bytes, chain < 0 ? sizes.max() ?? 0 : sizes.reduce(0, +))
    }
    return bytes
  }

  private func tilesByChain(_ tiles: [Int]) -> [(chain: Int, tiles: [Int])] {
    var groups: [(chain: Int, tiles: [Int])] = []
    for index in tiles {
      let chain = usage.chains[layout.tiles[index].blob]
      if let last = groups.last, last.chain == chain {
        groups[groups.count - 1].tiles.append(index)
      } else {
        groups.append((chain, [index]))
      }
    }
    return groups
  }

  // MARK: Prediction

  /// Time that passing weights add to an inference; threads share it.
  public func passingNanoseconds(_ placement: WeightPlacement) -> Double {
    let costs = layout.costs(of: placement)
    let threads = Double(usage.threadCount)
    let decoders = Double(min(usage.threadCount, max(1, placement.decoderCount)))
    let streamedTiles = Double(layout.compressedTiles.count - placement.residentTileCount)
    var nanoseconds = Double(costs.streamedByteCount) * rates.decodeNanosecondsPerByte / decoders
    // Where only one tile fits, threads wait for each other at every tile.
    if placement.ringByteCount < 2 * ringByteCountMin { nanoseconds *= (1 + decoders) / 2 }
    nanoseconds += streamedTiles * rates.entryNanoseconds / threads
    if costs.passingByteCount > 0 {
      let entryBytes = max(
        ModelLimits.tileByteCountTarget,
        placement.windowByteCount / (usage.threadCount + 1) - FilePages.windowByteCount)
      let entries = (Double(costs.passingByteCount) / Double(entryBytes)).rounded(.up)
      nanoseconds += Double(costs.passingByteCount) * rates.passNanosecondsPerByte / threads
      nanoseconds += entries * rates.entryNanoseconds
      if placement.windowByteCount < (usage.threadCount + 1) * windowByteCountMin {
        nanoseconds += entries * rates.entryNanoseconds
      }
    }
    return nanoseconds
  }
}
