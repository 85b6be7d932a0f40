import ModelFile
import System

/// A model's weight tiles in the order in which inference uses them, and where each lies once it is decoded.
///
/// Constants, and weights that several operators share, are always in memory: *fixed*. The tiles of layers are what a
/// `WeightPlacement` decides about.
struct WeightLayout: Sendable {
  /// One tile of a layer.
  struct LayerTile: Sendable {
    let blob: Int
    /// Index of the layer in `layers`.
    let layer: Int
    let tile: Tile
    /// Bytes of the blob before this tile.
    let blobOffset: Int
    /// Where the decoded bytes are kept in the model's decoded memory; 0 for raw tiles, which are used in place.
    let decodedOffset: Int

    var isRaw: Bool { tile.encoding == .raw }
  }

  /// One operator with weights, and its tiles.
  struct Layer: Sendable {
    let blob: Int
    let tiles: Range<Int>
  }

  let layers: [Layer]
  let tiles: [LayerTile]
  /// Indices into `tiles`, in the order in which they are kept: compressed ones first, since to decode a byte again costs ten
  /// times what it costs to map it again.
  let compressedTiles: [Int]
  let rawTiles: [Int]
  /// Blobs that are always in memory, and where their decoded bytes lie; −1 for those that are used in place.
  let fixedBlobs: [(blob: Int, decodedOffset: Int)]
  /// Bytes of decoded memory: fixed blobs, then the layers' compressed tiles in order.
  let decodedByteCount: Int
  let decodedFixedByteCount: Int
  /// The largest tile decoded, and the largest as stored where it is compressed.
  let largestDecodedByteCount: Int
  let largestStoredByteCount: Int
  /// Resident bytes of fixed blobs that are used in place.
  let mappedFixedByteCount: Int

  static let alignment = 64
  static func aligned(_ byteCount: Int) -> Int { (byteCount + alignment - 1) / alignment * alignment }

  init(_ graph: Graph) {
    let order = WeightLayout.layerBlobs(of: graph)
    var isLayer = graph.blobs.map { _ in false }
    for blob in order { isLayer[blob] = true }
    var offset = 0
    var fixed: [(blob: Int, decodedOffset: Int)] = []
    var mapped = FilePages()
    var largestStored = 0
    for (index, blob) in graph.blobs.enumerated() where !isLayer[index] {
      // They are used in one piece: where one tile is compressed, all are brought together.
      if blob.tiles.contains(where: { $0.encoding == .zstd }) || !WeightLayout.isContiguous(blob.tiles) {
        fixed.append((index, offset))
        offset += WeightLayout.aligned(blob.byteCount)
        largestStored = max(largestStored, blob.tiles.map { $0.storedByteCount }.max() ?? 0)
      } else {
        fixed.append((index, -1))
        for tile in blob.tiles { mapped.add(tile.fileOffset, tile.storedByteCount) }
      }
    }
    decodedFixedByteCount = offset
    mappedFixedByteCount = mapped.residentByteCount
    var layers: [Layer] = []
    var tiles: [LayerTile] = []
    var compressed: [Int] = []
    var raw: [Int] = []
    var largestDecoded = 0
    for blob in order {
      let first = tiles.count
      var blobOffset = 0
      for tile in graph.blobs[blob].tiles {
        let isRaw = tile.encoding == .raw
        if isRaw { raw.append(tiles.count) } else { compressed.append(tiles.count) }
        tiles.append(
          LayerTile(
            blob: blob, layer: layers.count, tile: tile, blobOffset: blobOffset, decodedOffset: isRaw ? 0 : offset))
        if !isRaw {
          offset += WeightLayout.aligned(tile.decodedByteCount)
          largestDecoded = max(largestDecoded, tile.decodedByteCount)
          largestStored = max(largestStored, tile.storedByteCount)
        }
        blobOffset += tile.decodedByteCount
      }
      layers.append(Layer(blob: blob, tiles: first..<tiles.count))
    }
    fixedBlobs = fixed
    self.layers = layers
    self.tiles = tiles
    compressedTiles = compressed
    rawTiles = raw
    decodedByteCount = offset
    largestDecodedByteCount = largestDecoded
    largestStoredByteCount = largestStored
  }

  /// Blobs that exactly one operator uses as its weights, in the order of use.
  private static func layerBlobs(of graph: Graph) -> [Int] {
    var uses = graph.blobs.map { _ in 0 }
    var order: [Int] = []
    for step in graph.operators {
      guard let blob = step.operation.weights else { continue }
      if uses[blob] == 0 { order.append(blob) }
      uses[blob] += 1
    }
    for tensor in graph.tensors { if let blob = tensor.constant { uses[blob] = 2 } }
    return order.filter { uses[$0] == 1 }
  }

  private static func isContiguous(_ tiles: [Tile]) -> Bool {
    zip(tiles, tiles.dropFirst()).allSatisfy { $0.fileOffset + $0.storedByteCount == $1.fileOffset }
  }

  /// Whether a tile is among the first `count` of `list`, which is `compressedTiles` or `rawTiles`.
  func isKept(_ index: Int, in list: [Int], _ count: Int) -> Bool { count > 0 && index <= list[count - 1] }

  var hasCompressedTiles: Bool { largestStoredByteCount > 0 }
}
