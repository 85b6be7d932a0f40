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
    /// Its place in the order in which tiles are kept.
    var rank = 0
    /// Where its bytes lie in the model's resident memory when they are kept there.
    var residentOffset = 0

    var isRaw: Bool { tile.encoding == .raw }
  }

  /// One operator with weights, and its tiles.
  struct Layer: Sendable {
    let blob: Int
    let tiles: Range<Int>
  }

  let layers: [Layer]
  let tiles: [LayerTile]
  /// Indices into `tiles` in the order in which they are kept: compressed ones first, since to decode a byte again costs ten
  /// times what it costs to read it again.
  let keepOrder: [Int]
  let compressedTileCount: Int
  /// A blob that is always in memory.
  struct FixedBlob: Sendable {
    let index: Int
    let blob: Blob
    let residentOffset: Int
  }

  let fixedBlobs: [FixedBlob]
  /// Bytes of resident memory: fixed blobs, then tiles in the order in which they are kept.
  let residentByteCount: Int
  let fixedByteCount: Int
  /// Sums over the first tiles in the order of keeping: bytes once decoded, and as stored.
  private(set) var decodedSums: [Int] = [0]
  private(set) var storedSums: [Int] = [0]
  /// The largest tile once decoded, and the longest frame.
  let largestByteCount: Int
  let frameByteCount: Int
  /// The whole file, in whole pages.
  let fileByteCount: Int
  /// Whether raw tiles may be used from the mapping: only all together, since to touch one page may make any number of its
  /// neighbours resident; and only where there is little else in the file.
  let canBeInPlace: Bool

  static let alignment = 64
  static func aligned(_ byteCount: Int) -> Int { (byteCount + alignment - 1) / alignment * alignment }

  init(_ file: borrowing ModelFile) {
    let graph = file.graph
    fileByteCount = Mapping.roundedToPages(file.byteCount)
    let order = WeightLayout.layerBlobs(of: graph)
    var isLayer = graph.blobs.map { _ in false }
    for blob in order { isLayer[blob] = true }
    var offset = 0
    var frames = 0
    var compressedByteCount = 0
    var largest = 0
    var fixed: [FixedBlob] = []
    for (index, blob) in graph.blobs.enumerated() {
      for tile in blob.tiles where tile.encoding == .zstd {
        frames = max(frames, tile.storedByteCount)
        compressedByteCount += tile.storedByteCount
      }
      if isLayer[index] { continue }
      fixed.append(FixedBlob(index: index, blob: blob, residentOffset: offset))
      offset += WeightLayout.aligned(blob.byteCount)
    }
    fixedByteCount = offset
    fixedBlobs = fixed
    frameByteCount = frames
    var layers: [Layer] = []
    var tiles: [LayerTile] = []
    tiles.reserveCapacity(graph.blobs.reduce(0) { $0 + $1.tiles.count })
    for blob in order {
      let first = tiles.count
      var blobOffset = 0
      for tile in graph.blobs[blob].tiles {
        tiles.append(LayerTile(blob: blob, layer: layers.count, tile: tile, blobOffset: blobOffset))
        largest = max(largest, tile.decodedByteCount)
        blobOffset += tile.decodedByteCount
      }
      layers.append(Layer(blob: blob, tiles: first..<tiles.count))
    }
    let compressed = tiles.indices.filter { !tiles[$0].isRaw }
    keepOrder = compressed + tiles.indices.filter { tiles[$0].isRaw }
    compressedTileCount = compressed.count
    for (rank, index) in keepOrder.enumerated() {
      tiles[index].rank = rank
      tiles[index].residentOffset = offset
      decodedSums.append(decodedSums[rank] + tiles[index].tile.decodedByteCount)
      storedSums.append(storedSums[rank] + tiles[index].tile.storedByteCount)
      offset += WeightLayout.aligned(tiles[index].tile.decodedByteCount)
    }
    residentByteCount = offset
    largestByteCount = largest
    canBeInPlace = compressedByteCount <= file.byteCount / 16
    self.layers = layers
    self.tiles = tiles
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

  var hasFrames: Bool { frameByteCount > 0 }
}
