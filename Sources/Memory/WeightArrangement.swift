import ModelFile
import System

/// Makes the pieces of each layer and the entries of the stream out of tiles, layer by layer in the order of use.
struct WeightArrangement {
  private(set) var entries: [WeightStream.Entry] = []
  private let layout: WeightLayout
  private let placement: WeightPlacement
  private let usage: WeightStore.Usage
  /// Most bytes of raw tiles that make one entry: so large that threads and the next entry fit in the window together.
  private let rawEntryByteCountMax: Int

  private var layer = 0
  private var pieces: [LayerWeights.Piece] = []
  private var offset = 0
  /// Raw tiles that pass and follow each other in the file.
  private var open: (fileOffset: Int, byteCount: Int)?
  /// Entries of the layer that is being made: indices into `entries`.
  private var firstEntry = 0
  private var chain = -1

  /// Where the next frame is decoded to, and which part of the ring each frame's entry takes.
  private var ringHead = 0
  private var ringParts: [(entry: Int, range: Range<Int>)] = []
  /// Bytes of the window that each raw entry takes.
  private var windowParts: [(entry: Int, byteCount: Int)] = []

  init(_ layout: WeightLayout, _ placement: WeightPlacement, _ usage: WeightStore.Usage) {
    self.layout = layout
    self.placement = placement
    self.usage = usage
    rawEntryByteCountMax = placement.windowByteCount / (usage.threadCount + 1) - FilePages.windowByteCount
  }

  mutating func begin(layer: Int) {
    self.layer = layer
    (pieces, offset, firstEntry) = ([], 0, entries.count)
    let next = usage.chains[layout.layers[layer].blob]
    // The weights of a chain stay together: they must not lie around the ring's end.
    if next >= 0 && next != chain { ringHead = 0 }
    chain = next
  }

  mutating func addKept(_ item: WeightLayout.LayerTile, at base: UnsafeRawPointer) {
    closeRaw()
    let byteCount = item.tile.decodedByteCount
    if let last = pieces.last, let start = last.base, start + last.byteCount == base {
      // Tiles that lie one after the other become one piece: fewer, larger kernel calls.
      pieces[pieces.count - 1] = .init(
        offset: last.offset, byteCount: last.byteCount + byteCount, entry: -1, base: start)
    } else {
      pieces.append(.init(offset: offset, byteCount: byteCount, entry: -1, base: base))
    }
    offset += byteCount
  }

  mutating func addPassing(_ item: WeightLayout.LayerTile) {
    let tile = item.tile
    guard item.isRaw else {
      closeRaw()
      addFrame(tile.fileOffset, tile.storedByteCount, tile.decodedByteCount)
      return
    }
    if let run = open, run.fileOffset + run.byteCount == tile.fileOffset,
      run.byteCount + tile.storedByteCount <= rawEntryByteCountMax
    {
      open!.byteCount += tile.storedByteCount
    } else {
      closeRaw()
      open = (tile.fileOffset, tile.storedByteCount)
    }
  }

  /// The layer's pieces, and whether threads claim them.
  mutating func finishLayer() -> (pieces: [LayerWeights.Piece], isClaimed: Bool) {
    closeRaw()
    let blob = layout.layers[layer].blob
    let isClaimed =
      usage.threadCount > 1 && usage.isClaimable[blob] && chain < 0 && pieces.count >= 2 * usage.threadCount
      && pieces.allSatisfy { $0.entry >= 0 }
    let users = isClaimed ? 1 : UInt32(usage.threadCount)
    for index in firstEntry..<entries.count {
      entries[index] = .init(source: entries[index].source, waitsFor: entries[index].waitsFor, userCount: users)
    }
    return (pieces, isClaimed)
  }

  private mutating func closeRaw() {
    guard let run = open else { return }
    open = nil
    let taken = WeightLayout.passingByteCount(run.byteCount)
    // All but the newest entries that fit beside this one must be finished.
    var waitsFor = -1
    var sum = taken
    for part in windowParts.reversed() {
      sum += part.byteCount
      if sum > placement.windowByteCount {
        waitsFor = part.entry
        break
      }
    }
    windowParts.append((entries.count, taken))
    append(.pages(offset: run.fileOffset, byteCount: run.byteCount), waitsFor: waitsFor, byteCount: run.byteCount)
  }

  private mutating func addFrame(_ fileOffset: Int, _ storedByteCount: Int, _ decodedByteCount: Int) {
    let size = WeightLayout.aligned(decodedByteCount + WeightLayout.alignment)
    if ringHead + size > placement.ringByteCount { ringHead = 0 }
    let range = ringHead..<ringHead + size
    ringHead += size
    let waitsFor = ringParts.last { $0.range.overlaps(range) }?.entry ?? -1
    ringParts.removeAll { $0.entry <= waitsFor }
    ringParts.append((entries.count, range))
    append(
      .frame(
        offset: fileOffset, byteCount: storedByteCount, decodedByteCount: decodedByteCount, ringOffset: range.lowerBound
      ),
      waitsFor: waitsFor, byteCount: decodedByteCount)
  }

  private mutating func append(_ source: WeightStream.Entry.Source, waitsFor: Int, byteCount: Int) {
    pieces.append(.init(offset: offset, byteCount: byteCount, entry: entries.count, base: nil))
    entries.append(.init(source: source, waitsFor: waitsFor, userCount: 0))
    offset += byteCount
  }
}
