import ModelFile
import System

/// Chooses how a model's weights are held in a given memory: the placement with the least predicted time.
public struct WeightPlanner: Sendable {
  let layout: WeightLayout
  public let usage: WeightStore.Usage
  public let rates: DeviceRates
  /// Bytes of records of tiles, and of the entries of the longest stream there can be.
  private var bookkeepingByteCount = 0
  /// A tile's place and sums, with what an array has to spare; an entry with its piece and its two words.
  private static let tileByteCount = 128
  private static let entryByteCount = 192

  public init(_ file: borrowing ModelFile, usage: WeightStore.Usage, rates: DeviceRates) {
    layout = WeightLayout(file)
    self.usage = usage
    self.rates = rates
    let ring = ringByteCountMin
    let entryCount = layout.tiles.reduce(0) { sum, item in
      let part = max(1, usage.partByteCount(item, ringByteCount: ring))
      return sum + (item.tile.decodedByteCount + part - 1) / part
    }
    bookkeepingByteCount = Mapping.roundedToPages(
      layout.tiles.count * WeightPlanner.tileByteCount + entryCount * WeightPlanner.entryByteCount)
  }

  public var fixedByteCount: Int { costs(of: layout.keepingAll).fixedByteCount }
  /// Bytes of weights once decoded.
  public var weightByteCount: Int { layout.decodedSums[layout.tiles.count] }
  public var keepingAll: WeightPlacement { layout.keepingAll }

  public func costs(of placement: WeightPlacement) -> WeightCosts {
    var costs = layout.costs(of: placement)
    costs.fixedByteCount += bookkeepingByteCount
    return costs
  }

  /// What a run needs of the workspace besides activations.
  public func needs(of placement: WeightPlacement, activationByteCount: Int) -> Workspace.Needs {
    let costs = costs(of: placement)
    return Workspace.Needs(
      activationByteCount: activationByteCount, ringByteCount: costs.ringByteCount,
      readerCount: costs.decodedByteCount > 0 ? placement.readerCount : 0, frameByteCount: layout.frameByteCount)
  }

  /// What `WeightStore.setPlacement` needs where it brings compressed tiles.
  public var changingNeeds: Workspace.Needs {
    Workspace.Needs(
      activationByteCount: 0, ringByteCount: 0, readerCount: layout.hasFrames ? 1 : 0,
      frameByteCount: layout.frameByteCount)
  }

  /// Threads that load: for little work one, since each takes memory.
  public var loaderCount: Int { weightByteCount < 1 << 20 ? 1 : usage.threadCount }

  /// What loading needs: a decoder for each thread where there are compressed tiles, room for a tile where they are not kept.
  public func loadingNeeds(of placement: WeightPlacement, loaderCount: Int) -> Workspace.Needs {
    let costs = costs(of: placement)
    return Workspace.Needs(
      activationByteCount: 0,
      ringByteCount: costs.copiedByteCount > 0 ? loaderCount * WeightLayout.ringByteCount(layout.largestByteCount) : 0,
      readerCount: layout.hasFrames ? loaderCount : 0, frameByteCount: layout.frameByteCount)
  }

  /// The fastest placement of which `byteCount`, bytes that it adds, is at most `available`; nil where there is none.
  public func placement(
    availableByteCount available: Int, byteCount: (WeightPlacement) -> Int
  ) -> WeightPlacement? {
    var best: (placement: WeightPlacement, nanoseconds: Double)?
    for passage in passages {
      guard let placement = fill(passage, available, byteCount) else { continue }
      let nanoseconds = streamingNanoseconds(placement)
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

  /// Placements that keep as little as they can: everything in place, everything resident, or everything through rings of
  /// several sizes.
  private var passages: [WeightPlacement] {
    var all = layout.keepingAll
    var passages = [all]
    if all.isInPlace && layout.compressedTileCount > 0 {
      // What little is compressed may pass while the rest is in place.
      for ring in rings {
        for readers in readerCounts {
          passages.append(
            WeightPlacement(isInPlace: true, residentTileCount: 0, ringByteCount: ring, readerCount: readers))
        }
      }
    }
    (all.isInPlace, all.residentTileCount) = (false, layout.tiles.count)
    passages.append(all)
    for ring in rings {
      for readers in readerCounts {
        passages.append(
          WeightPlacement(isInPlace: false, residentTileCount: 0, ringByteCount: ring, readerCount: readers))
      }
    }
    return passages
  }

  private var rings: [Int] {
    if layout.tiles.isEmpty { return [] }
    let (least, good) = (ringByteCountMin, ringByteCountGood)
    return [least, max(least, good / 4), max(least, good / 2), max(least, good), max(2 * least, 2 * good)]
  }

  /// A ring in which every layer has at once what its kernels and threads like.
  private var ringByteCountGood: Int {
    var most = 0
    for layer in layout.layers {
      var byteCount = 0
      let preferred = usage.preferredByteCount(layer.blob)
      for item in layout.tiles[layer.tiles] where byteCount < preferred || byteCount == 0 {
        byteCount +=
          item.isRaw && preferred > 0 ? min(preferred, item.tile.decodedByteCount) : item.tile.decodedByteCount
      }
      most = max(most, usage.piecesAtOnce(layer.blob) * WeightLayout.ringByteCount(byteCount))
    }
    return most
  }

  private var readerCounts: [Int] { layout.hasFrames && usage.threadCount > 1 ? [1, usage.threadCount] : [1] }

  /// Keeps as many tiles as fit beside a passage, those first that cost most to bring again.
  private func fill(
    _ passage: WeightPlacement, _ available: Int, _ byteCount: (WeightPlacement) -> Int
  ) -> WeightPlacement? {
    guard byteCount(passage) <= available else { return nil }
    var placement = passage
    let most = passage.isInPlace ? layout.compressedTileCount : layout.tiles.count
    placement.residentTileCount = WeightPlanner.most(from: passage.residentTileCount, to: most) {
      var more = placement
      more.residentTileCount = $0
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
  private var ringByteCountMin: Int {
    var most = 0
    var together = 0
    var chain = -1
    for item in layout.tiles {
      let size = WeightLayout.ringByteCount(usage.unitByteCount(item))
      let next = usage.chains[item.blob]
      together = next >= 0 && next == chain ? together + size : size
      chain = next
      most = max(most, together)
    }
    return most
  }

  // MARK: Prediction

  /// Time that streamed weights add to an inference; threads share it.
  public func streamingNanoseconds(_ placement: WeightPlacement) -> Double {
    let costs = costs(of: placement)
    guard costs.streamedTileCount > 0 else { return 0 }
    let threads = Double(usage.threadCount)
    let readers = Double(min(usage.threadCount, placement.readerCount))
    let part = (rates.entryNanoseconds + WeightPlanner.opening) / threads
    let parts = partCounts(placement)
    var nanoseconds =
      Double(costs.readByteCount - costs.copiedByteCount) * rates.decodeNanosecondsPerByte / readers
      + Double(costs.readByteCount) * rates.readNanosecondsPerByte / threads
      + Double(parts.claimed + parts.shared) * part
    if threads > 1 {
      nanoseconds += Double(parts.shared) * WeightPlanner.handOver + Double(parts.claimed) * WeightPlanner.claiming
    }
    // What comes through a small ring takes longer to compute with.
    let share = Double(costs.streamedByteCount) / Double(max(1, weightByteCount))
    for layer in layout.layers { nanoseconds += share * stretch(layer, placement) * usage.nanoseconds[layer.blob] }
    return nanoseconds
  }

  /// Nanoseconds of finding a part's place and beginning to compute with bytes that lie nowhere near.
  private static let opening = 200.0

  /// Nanoseconds for threads to learn that a part has come.
  private static let handOver = 220.0

  /// The same where each part is one thread's.
  private static let claiming = 130.0

  /// Parts in which streamed weights come: those that threads take turns at, and those that they share the work of.
  private func partCounts(_ placement: WeightPlacement) -> (claimed: Int, shared: Int) {
    var counts = (claimed: 0, shared: 0)
    for layer in layout.layers {
      var count = 0
      for item in layout.tiles[layer.tiles] where layout.isStreamed(item, placement) {
        let part = usage.partByteCount(item, ringByteCount: placement.ringByteCount)
        count += (item.tile.decodedByteCount + part - 1) / part
      }
      if usage.claims(layer.blob, pieceCount: count) { counts.claimed += count } else { counts.shared += count }
    }
    return counts
  }

  /// The share of its time at full speed by which a layer takes longer whose weights come through the ring.
  private func stretch(_ layer: WeightLayout.Layer, _ placement: WeightPlacement) -> Double {
    let tiles = layout.tiles[layer.tiles]
    guard let first = tiles.first, usage.chains[layer.blob] < 0 else { return 0 }
    let unit = WeightLayout.ringByteCount(usage.unitByteCount(first))
    let pieces = usage.piecesAtOnce(layer.blob)
    let byteCount = tiles.reduce(0) { $0 + $1.tile.decodedByteCount }
    // Threads that take turns need a piece each.
    let threads = usage.isClaimable[layer.blob] ? usage.threadCount : 1
    let atOnce = max(1, min(threads, placement.ringByteCount / unit))
    let isNarrow =
      placement.ringByteCount / pieces < min(byteCount, max(unit, usage.preferredByteCount(layer.blob)))
    return Double(threads) / Double(atOnce) - 1 + (isNarrow ? WeightPlanner.narrowStretch : 0)
  }

  /// What a kernel takes longer that multiplies one panel at a time instead of four.
  private static let narrowStretch = 0.15
}
