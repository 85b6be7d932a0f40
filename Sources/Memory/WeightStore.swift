import ModelFile
import System

/// A model's weights: the file, what of it is decoded and kept, and how the rest reaches the kernels.
///
/// All of it is for the thread that runs the model, but `load`, which all threads of a pool call together.
public final class WeightStore: @unchecked Sendable {
  /// How layers run, as far as it matters to their weights.
  public struct Usage: Sendable {
    public var threadCount: Int
    /// For each blob, whether threads take turns at its pieces instead of sharing each one's work: where there is little work in
    /// a piece. Each piece gives outputs of its own.
    public var isClaimable: [Bool]
    /// For each blob the bytes of a panel, which kernels need whole; 0 where the blob is not a matrix.
    public var panelByteCounts: [Int]
    /// For each blob the time that its layer takes at full speed on all threads.
    public var nanoseconds: [Double]
    /// For each blob the number of the chain of operators that run stripe by stripe, whose weights stay from its start to its end;
    /// −1 for none.
    public var chains: [Int]

    /// Panels that the widest kernels multiply at once with what they read of the activations.
    static let panelsAtOnce = 4

    /// Pieces of a blob that are in the ring at once if possible: one for each thread and two to come, or one and the next.
    func piecesAtOnce(_ blob: Int) -> Int { isClaimable[blob] && chains[blob] < 0 ? threadCount + 2 : 2 }

    /// Whether threads take turns at a layer's pieces where all of them are streamed.
    func claims(_ blob: Int, pieceCount: Int) -> Bool {
      threadCount > 1 && isClaimable[blob] && chains[blob] < 0 && pieceCount >= 2 * threadCount
    }

    /// Bytes of a tile that come through a ring at once: whole panels of a raw tile that is too large for its share.
    func partByteCount(_ item: WeightLayout.LayerTile, ringByteCount: Int) -> Int {
      let unit = unitByteCount(item)
      let share = ringByteCount / piecesAtOnce(item.blob) - WeightLayout.alignment
      return min(item.tile.decodedByteCount, max(1, share / unit) * unit)
    }

    /// Bytes that kernels like to have at once.
    func preferredByteCount(_ blob: Int) -> Int { Usage.panelsAtOnce * panelByteCounts[blob] }

    /// Bytes that must come together: a panel of a raw tile, or else the whole tile.
    func unitByteCount(_ item: WeightLayout.LayerTile) -> Int {
      let panel = panelByteCounts[item.blob]
      let isDivisible = item.isRaw && panel > 0 && chains[item.blob] < 0
      return max(1, min(isDivisible ? panel : Int.max, item.tile.decodedByteCount))
    }

    public init(
      threadCount: Int, isClaimable: [Bool], panelByteCounts: [Int], nanoseconds: [Double], chains: [Int]
    ) {
      self.threadCount = threadCount
      self.isClaimable = isClaimable
      self.panelByteCounts = panelByteCounts
      self.nanoseconds = nanoseconds
      self.chains = chains
    }
  }

  private let planner: WeightPlanner
  private var layout: WeightLayout { planner.layout }
  private var usage: Usage { planner.usage }
  /// Address space for all that can be resident; pages are there for what is.
  private let memory: Mapping
  private var fixed: MemoryBudget.Reservation
  private var resident: MemoryBudget.Reservation
  private var inPlace: MemoryBudget.Reservation
  private let stream: WeightStream
  /// By blob; nil for those that are not a layer's.
  private var layers: [LayerWeights?]
  public private(set) var placement: WeightPlacement
  public private(set) var costs: WeightCosts

  /// Blobs and tiles of which `load` has done its share, and the first error.
  private let loading = AtomicWords(count: 2)
  private let loadingErrors = Lock()
  private var loadingError: ModelFileError?

  /// Reserves memory; `load` fills it.
  public init(
    _ file: consuming ModelFile, planner: WeightPlanner, placement: WeightPlacement, budget: MemoryBudget
  ) throws(MemoryError) {
    let layout = planner.layout
    self.planner = planner
    costs = planner.costs(of: placement)
    fixed = try budget.reserve(costs.fixedByteCount, for: .weights)
    resident = try budget.reserve(costs.residentByteCount, for: .weights)
    inPlace = try budget.reserve(costs.inPlaceByteCount, for: .weights, kind: .mapped)
    let byteCount = layout.residentByteCount + WeightLayout.alignment
    do { memory = try Mapping(zeroed: byteCount) } catch { throw .refusedByKernel(needed: byteCount) }
    layers = file.graph.blobs.map { _ in nil }
    file.dropGraph()
    stream = WeightStream(file, layout)
    for layer in layout.layers { layers[layer.blob] = LayerWeights(stream: stream) }
    self.placement = placement
    arrange()
  }

  // MARK: Loading

  private static let fixedWord = 0
  private static let tileWord = 1

  /// Checks every tile and brings those that are kept. Threads call it together, each with its own part, after the workspace
  /// has been claimed for `WeightPlanner.loadingNeeds`; then one calls `finishLoading`.
  public func load(part: Int, workspace: Workspace) {
    while true {
      let index = Int(loading.add(1, at: WeightStore.fixedWord)) - 1
      guard index < layout.fixedBlobs.count else { break }
      do throws(ModelFileError) { try loadFixed(layout.fixedBlobs[index], part, workspace) } catch { fail(error) }
    }
    while true {
      let index = Int(loading.add(1, at: WeightStore.tileWord)) - 1
      guard index < layout.tiles.count else { break }
      do throws(ModelFileError) { try loadTile(layout.tiles[index], part, workspace) } catch { fail(error) }
    }
  }

  public func finishLoading() throws(ModelFileError) {
    try stream.file.check()
    if let loadingError { throw loadingError }
  }

  private func fail(_ error: ModelFileError) {
    loadingErrors.withLock { if loadingError == nil { loadingError = error } }
  }

  private func loadFixed(
    _ fixed: WeightLayout.FixedBlob, _ part: Int, _ workspace: Workspace
  ) throws(ModelFileError) {
    var offset = fixed.residentOffset
    for tile in fixed.blob.tiles {
      try read(tile, of: fixed.index, to: memory.base + offset, part, workspace)
      offset += tile.decodedByteCount
    }
  }

  private func loadTile(_ item: WeightLayout.LayerTile, _ part: Int, _ workspace: Workspace) throws(ModelFileError) {
    if item.rank < placement.residentTileCount {
      try read(item.tile, of: item.blob, to: memory.base + item.residentOffset, part, workspace)
    } else if !item.isRaw {
      try workspace.reader(of: part).read(item.tile, of: item.blob, in: stream.file, verifies: true, into: nil)
    } else if placement.isInPlace {
      try stream.file.verify(stream.file.mappedBytes(of: item.tile), item.tile, of: item.blob)
    } else {
      // A slot of the ring for each thread.
      let slot = workspace.ringBase! + part * WeightLayout.ringByteCount(layout.largestByteCount)
      try read(item.tile, of: item.blob, to: slot, part, workspace)
    }
  }

  /// Reads a tile, checks it, and decodes it where it is compressed.
  private func read(
    _ tile: Tile, of blob: Int, to place: UnsafeMutableRawPointer, _ part: Int, _ workspace: Workspace
  ) throws(ModelFileError) {
    guard tile.encoding == .raw else {
      return try workspace.reader(of: part).read(tile, of: blob, in: stream.file, verifies: true, into: place)
    }
    try stream.file.read(tile, into: place)
    try stream.file.verify(UnsafeRawBufferPointer(start: place, count: tile.storedByteCount), tile, of: blob)
  }

  // MARK: Changing what is kept

  /// Keeps more or less from now on, between runs. Less always succeeds. Precondition: the workspace has been claimed for
  /// what the placement needs, and for `WeightPlanner.changingNeeds`.
  public func setPlacement(_ new: WeightPlacement, workspace: Workspace) throws(LoadingError) {
    let old = placement
    let newCosts = planner.costs(of: new)
    // What goes is gone before anything else comes in its place.
    if old.isInPlace && !new.isInPlace { stream.file.releasePages() }
    if new.residentTileCount < old.residentTileCount {
      let start = Mapping.roundedToPages(layout.fixedByteCount) + newCosts.residentByteCount
      if start < memory.byteCount { memory.releasePages(offset: start, byteCount: memory.byteCount - start) }
    }
    do {
      try MemoryBudget.Reservation.resize(
        &resident, to: newCosts.residentByteCount, &inPlace, to: newCosts.inPlaceByteCount)
    } catch {
      // It stays as it was; what was let go is brought again.
      if new.residentTileCount < old.residentTileCount {
        try bring(new.residentTileCount..<old.residentTileCount, workspace)
      }
      throw .memory(error)
    }
    placement = new
    costs = newCosts
    if new.residentTileCount > old.residentTileCount {
      try bring(old.residentTileCount..<new.residentTileCount, workspace)
    }
    arrange()
  }

  /// Reads tiles, by their places in the order of keeping, to where they stay.
  private func bring(_ ranks: Range<Int>, _ workspace: Workspace) throws(LoadingError) {
    for index in layout.keepOrder[ranks] {
      let item = layout.tiles[index]
      do throws(ModelFileError) {
        try read(item.tile, of: item.blob, to: memory.base + item.residentOffset, 0, workspace)
      } catch {
        // From now on weights are missing.
        fail(error)
        throw .file(error)
      }
    }
  }

  /// Makes the pieces and the stream anew.
  private func arrange() {
    var arrangement = WeightArrangement(layout, placement, usage)
    for (number, layer) in layout.layers.enumerated() {
      let weights = layers[layer.blob]!
      arrangement.begin(layer: number)
      for index in layer.tiles {
        let item = layout.tiles[index]
        if layout.isStreamed(item, placement) {
          arrangement.addStreamed(item, index)
        } else if item.rank < placement.residentTileCount {
          arrangement.addKept(item, at: UnsafeRawPointer(memory.base + item.residentOffset))
        } else {
          arrangement.addKept(item, at: stream.file.mappedBytes(of: item.tile).baseAddress!)
        }
      }
      (weights.pieces, weights.isClaimed) = arrangement.finishLayer()
      weights.isHeld = usage.chains[layer.blob] >= 0
    }
    stream.setEntries(arrangement.entries)
  }

  // MARK: Running

  /// Before every run, by so many threads as will take part in it.
  public func prepare(_ workspace: Workspace, threadCount: Int) {
    if stream.isEmpty { return }
    stream.prepare(workspace, threadCount: threadCount)
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
    let fixed = layout.fixedBlobs.first { $0.index == blob }!
    return UnsafeRawBufferPointer(start: memory.base + fixed.residentOffset, count: fixed.blob.byteCount)
  }

  /// Errors: weights of the last run could not be read, or the file has changed since it was opened: answers are worth nothing.
  public func check() throws(ModelFileError) {
    if let loadingError { throw loadingError }
    try stream.check()
  }

  /// What threads do instead of waiting: reads a tile that will be needed. Returns whether it did.
  public func help(part: Int) -> Bool { stream.help(part: part) }

  /// Whether there is anything to read for a run.
  public var isStreaming: Bool { !stream.isEmpty }
  public var isExhausted: Bool { stream.isExhausted }
}
