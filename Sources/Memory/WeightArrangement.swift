import ModelFile
import System

/// Makes the pieces of each layer and the entries of the stream out of tiles, layer by layer in the order of use.
struct WeightArrangement {
  private(set) var entries: [WeightStream.Entry] = []
  private let layout: WeightLayout
  private let placement: WeightPlacement
  private let usage: WeightStore.Usage
  /// Most bytes that may come together: so few that the next ones come meanwhile.
  private var entryByteCountMax = 0

  private var layer = 0
  private var pieces: [LayerWeights.Piece] = []
  private var offset = 0
  /// Entries of the layer that is being made: indices into `entries`.
  private var firstEntry = 0
  private var chain = -1

  /// Where the next tile goes, and which part of the ring each entry takes.
  private var ringHead = 0
  /// What the newest entry waits for; a later one waits for no less, since it may be opened before it.
  private var waitsForMost = -1
  private var ringParts: [(entry: Int, range: Range<Int>)] = []

  init(_ layout: WeightLayout, _ placement: WeightPlacement, _ usage: WeightStore.Usage) {
    self.layout = layout
    self.placement = placement
    self.usage = usage
    entries.reserveCapacity(layout.tiles.count)
  }

  mutating func begin(layer: Int) {
    self.layer = layer
    (pieces, offset, firstEntry) = ([], 0, entries.count)
    let blob = layout.layers[layer].blob
    entryByteCountMax = placement.ringByteCount / usage.piecesAtOnce(blob) - WeightLayout.alignment
    let next = usage.chains[blob]
    // The weights of a chain stay together: they must not lie around the ring's end.
    if next >= 0 && next != chain { ringHead = 0 }
    chain = next
  }

  mutating func addKept(_ item: WeightLayout.LayerTile, at base: UnsafeRawPointer) {
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

  /// `index` is the tile's in the layout.
  mutating func addStreamed(_ item: WeightLayout.LayerTile, _ index: Int) {
    // A raw tile that is too large for its share of the ring comes in several parts of whole panels.
    let partByteCount = usage.partByteCount(item, ringByteCount: placement.ringByteCount)
    var start = 0
    while start < item.tile.decodedByteCount {
      let count = min(partByteCount, item.tile.decodedByteCount - start)
      add(index, start, count)
      start += count
    }
  }

  private mutating func add(_ tile: Int, _ start: Int, _ byteCount: Int) {
    if joinsLast(tile, start, byteCount) { return }
    let size = WeightLayout.ringByteCount(byteCount)
    if ringHead + size > placement.ringByteCount { ringHead = 0 }
    let range = ringHead..<ringHead + size
    ringHead += size
    waitsForMost = max(waitsForMost, ringParts.last { $0.range.overlaps(range) }?.entry ?? -1)
    let waitsFor = waitsForMost
    ringParts.removeAll { $0.entry <= waitsFor }
    ringParts.append((entries.count, range))
    pieces.append(.init(offset: offset, byteCount: byteCount, entry: entries.count, base: nil))
    entries.append(
      .init(
        firstTile: tile, offset: start, byteCount: byteCount, ringOffset: range.lowerBound, waitsFor: waitsFor,
        isShared: true))
    offset += byteCount
  }

  /// Puts a whole tile behind the ones before it in the ring, where kernels like them together and there is room.
  private mutating func joinsLast(_ tile: Int, _ start: Int, _ byteCount: Int) -> Bool {
    let item = layout.tiles[tile]
    guard entries.count > firstEntry, let piece = pieces.last, piece.entry == entries.count - 1, chain < 0,
      byteCount == item.tile.decodedByteCount, entries[piece.entry].firstTile + entries[piece.entry].tileCount == tile,
      entries[piece.entry].offset == 0, piece.byteCount < usage.preferredByteCount(item.blob),
      piece.byteCount + byteCount <= entryByteCountMax,
      let part = ringParts.last
    else { return false }
    let end = part.range.lowerBound + WeightLayout.ringByteCount(piece.byteCount + byteCount)
    guard end <= placement.ringByteCount else { return false }
    let range = part.range.lowerBound..<end
    let waitsFor = ringParts.dropLast().last { $0.range.overlaps(range) }?.entry ?? -1
    ringParts[ringParts.count - 1].range = range
    ringHead = end
    pieces[pieces.count - 1] = .init(
      offset: piece.offset, byteCount: piece.byteCount + byteCount, entry: piece.entry, base: nil)
    entries[piece.entry].tileCount += 1
    waitsForMost = max(waitsForMost, waitsFor)
    entries[piece.entry].waitsFor = waitsForMost
    offset += byteCount
    return true
  }

  /// The layer's pieces, and whether threads claim them.
  mutating func finishLayer() -> (pieces: [LayerWeights.Piece], isClaimed: Bool) {
    let blob = layout.layers[layer].blob
    let isClaimed =
      usage.claims(blob, pieceCount: pieces.count) && pieces.allSatisfy { $0.entry >= 0 }
    for index in firstEntry..<entries.count { entries[index].isShared = !isClaimed }
    return (pieces, isClaimed)
  }
}
