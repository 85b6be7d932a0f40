import ModelFile
import System

/// A model's weights: the file, what of it is decoded and kept, and how the rest reaches the kernels.
///
/// All of it is for the thread that runs the model, but `load`, which all threads of a pool call together.
public final class WeightStore: @unchecked Sendable {
  /// How layers run, as far as it matters to their weights.
  public struct Usage: Sendable {
    public var threadCount: Int
    /// Whether threads may take turns at pieces of a blob: each piece gives outputs of its own.
    public var isClaimable: [Bool]
    /// For each blob the number of the chain of operators that run stripe by stripe, whose weights stay from its start to its end;
    /// −1 for none.
    public var chains: [Int]

    public init(threadCount: Int, isClaimable: [Bool], chains: [Int]) {
      self.threadCount = threadCount
      self.isClaimable = isClaimable
      self.chains = chains
    }
  }

  private let file: ModelFile
  private let layout: WeightLayout
  private let usage: Usage
  /// Address space for all that is ever decoded; pages are there for what is kept.
  private let decoded: Mapping
  private var fixed: MemoryBudget.Reservation
  private var resident: MemoryBudget.Reservation
  private var inPlace: MemoryBudget.Reservation
  private let stream: WeightStream
  /// By blob; nil for those that are not a layer's.
  private var layers: [LayerWeights?]
  public private(set) var placement: WeightPlacement
  public private(set) var costs: WeightCosts

  /// Tiles of which `load` has checked and decoded its share, and the first error.
  private let loading = AtomicWords(count: 2)
  private let loadingErrors = Lock()
  private var loadingError: ModelFileError?

  /// Reserves memory; `load` fills it.
  public init(
    _ file: consuming ModelFile, usage: Usage, placement: WeightPlacement, budget: MemoryBudget
  ) throws(MemoryError) {
    layout = WeightLayout(file.graph)
    costs = layout.costs(of: placement)
    fixed = try budget.reserve(costs.fixedByteCount, for: .weights)
    resident = try budget.reserve(costs.residentByteCount, for: .weights)
    inPlace = try budget.reserve(costs.inPlaceByteCount, for: .weights)
    let byteCount = layout.decodedByteCount + WeightLayout.alignment
    do { decoded = try Mapping(zeroed: byteCount) } catch { throw .refusedByKernel(needed: byteCount) }
    stream = WeightStream(mapped: file.bytes)
    let stream = stream
    layers = file.graph.blobs.map { _ in nil }
    for layer in layout.layers { layers[layer.blob] = LayerWeights(stream: stream) }
    self.usage = usage
    self.placement = placement
    self.file = file
    arrange()
  }

  // MARK: Loading

  private static let fixedWord = 0
  private static let tileWord = 1

  /// Checks every tile and decodes what is kept. Every thread calls it with its own part, after the workspace has been
  /// claimed for `loadingNeeds`; then one calls `finishLoading`.
  public func load(part: Int, workspace: Workspace) {
    while true {
      let index = Int(loading.add(1, at: WeightStore.fixedWord)) - 1
      guard index < layout.fixedBlobs.count else { break }
      let blob = layout.fixedBlobs[index]
      do throws(ModelFileError) { try loadFixed(blob.blob, blob.decodedOffset, part, workspace) } catch { fail(error) }
    }
    while true {
      let index = Int(loading.add(1, at: WeightStore.tileWord)) - 1
      guard index < layout.tiles.count else { break }
      do throws(ModelFileError) { try loadTile(index, part, workspace) } catch { fail(error) }
    }
  }

  public func finishLoading() throws(ModelFileError) { if let loadingError { throw loadingError } }

  private func fail(_ error: ModelFileError) {
    loadingErrors.withLock { if loadingError == nil { loadingError = error } }
  }

  private func loadFixed(
    _ blob: Int, _ decodedOffset: Int, _ part: Int, _ workspace: Workspace
  ) throws(ModelFileError) {
    var offset = decodedOffset
    for tile in file.graph.blobs[blob].tiles {
      try file.verify(tile, of: blob)
      if decodedOffset < 0 { continue }
      try decode(tile, of: blob, to: offset, part, workspace)
      offset += tile.decodedByteCount
      FilePages.release(tile.fileOffset, tile.storedByteCount, of: file.bytes)
    }
  }

  private func loadTile(_ index: Int, _ part: Int, _ workspace: Workspace) throws(ModelFileError) {
    let item = layout.tiles[index]
    try file.verify(item.tile, of: item.blob)
    if isKept(index) {
      if item.isRaw { return }
      try decode(item.tile, of: item.blob, to: item.decodedOffset, part, workspace)
    }
    FilePages.release(item.tile.fileOffset, item.tile.storedByteCount, of: file.bytes)
  }

  private func decode(
    _ tile: Tile, of blob: Int, to offset: Int, _ part: Int, _ workspace: Workspace
  ) throws(ModelFileError) {
    let output = UnsafeMutableRawBufferPointer(start: decoded.base + offset, count: tile.decodedByteCount)
    let stored = file.storedBytes(of: tile)
    if tile.encoding == .raw {
      output.copyMemory(from: stored)
    } else if !workspace.decoder(of: part).decode(stored, into: output) {
      throw .undecodable(part: "a tile of blob \(blob) at byte \(tile.fileOffset)")
    }
  }

  // MARK: Changing what is kept

  /// Keeps more or less from now on, between runs. Less always succeeds. Precondition: the workspace has been claimed for
  /// what the placement needs.
  public func setPlacement(_ new: WeightPlacement, workspace: Workspace) throws(LoadingError) {
    let old = placement
    let newCosts = layout.costs(of: new)
    do throws(MemoryError) {
      try resident.resize(to: newCosts.residentByteCount)
      do throws(MemoryError) { try inPlace.resize(to: newCosts.inPlaceByteCount) } catch {
        try? resident.resize(to: costs.residentByteCount)
        throw error
      }
    } catch {
      throw .memory(error)
    }
    placement = new
    costs = newCosts
    if new.residentTileCount < old.residentTileCount {
      let start = Mapping.roundedToPages(layout.decodedFixedByteCount) + newCosts.residentByteCount
      if start < decoded.byteCount { decoded.releasePages(offset: start, byteCount: decoded.byteCount - start) }
    }
    if new.inPlaceTileCount < old.inPlaceTileCount {
      for index in layout.rawTiles[new.inPlaceTileCount..<old.inPlaceTileCount] {
        let tile = layout.tiles[index].tile
        FilePages.release(tile.fileOffset, tile.storedByteCount, of: file.bytes)
      }
    }
    if new.residentTileCount > old.residentTileCount {
      for index in layout.compressedTiles[old.residentTileCount..<new.residentTileCount] {
        do throws(ModelFileError) { try loadTile(index, 0, workspace) } catch { throw .file(error) }
      }
    }
    arrange()
  }

  private func isKept(_ index: Int) -> Bool {
    layout.tiles[index].isRaw
      ? layout.isKept(index, in: layout.rawTiles, placement.inPlaceTileCount)
      : layout.isKept(index, in: layout.compressedTiles, placement.residentTileCount)
  }

  /// Makes the pieces and the stream anew.
  private func arrange() {
    var arrangement = WeightArrangement(layout, placement, usage)
    for (number, layer) in layout.layers.enumerated() {
      let weights = layers[layer.blob]!
      arrangement.begin(layer: number)
      for index in layer.tiles {
        let item = layout.tiles[index]
        if isKept(index) {
          let kept = UnsafeRawPointer(decoded.base + item.decodedOffset)
          arrangement.addKept(item, at: item.isRaw ? file.bytes.baseAddress! + item.tile.fileOffset : kept)
        } else {
          arrangement.addPassing(item)
        }
      }
      (weights.pieces, weights.isClaimed) = arrangement.finishLayer()
      weights.isHeld = usage.chains[layer.blob] >= 0
    }
    stream.setEntries(arrangement.entries)
  }

  // MARK: Running

  /// Before every run.
  public func prepare(_ workspace: Workspace) {
    if stream.isEmpty { return }
    stream.prepare(workspace)
    for layer in layout.layers { layers[layer.blob]?.prepare() }
  }

  /// The weights of an operator; fixed ones are a layer of one piece.
  public func layer(of blob: Int) -> LayerWeights {
    if let layer = layers[blob] { return layer }
    let layer = LayerWeights(stream: stream)
    let bytes = fixedBytes(of: blob)
    layer.pieces = [.init(offset: 0, byteCount: bytes.count, entry: -1, base: bytes.baseAddress)]
    layers[blob] = layer
    return layer
  }

  /// The bytes of a blob that is always in memory. Precondition: it is no layer's alone.
  public func fixedBytes(of blob: Int) -> UnsafeRawBufferPointer {
    let offset = layout.fixedBlobs.first { $0.blob == blob }!.decodedOffset
    let base =
      offset >= 0
      ? UnsafeRawPointer(decoded.base + offset)
      : file.bytes.baseAddress! + (file.graph.blobs[blob].tiles.first?.fileOffset ?? 0)
    return UnsafeRawBufferPointer(start: base, count: file.graph.blobs[blob].byteCount)
  }

  /// Whether a tile could not be decoded in the last run: its answers are worth nothing.
  public var hasFailed: Bool { stream.hasFailed }

  /// What threads do instead of waiting: decodes a tile that will be needed. Returns whether it did.
  public func help(part: Int) -> Bool { stream.help(part: part) }

  /// Whether there is anything to decode for a run.
  public var isStreaming: Bool { !stream.isEmpty }
  public var isExhausted: Bool { stream.isExhausted }
}
