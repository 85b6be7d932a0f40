import Memory
import ModelFile
import Runtime
import System
import Tables

/// The models that are awake, and who of them gives memory to whom. Changes happen on the worker's thread (or the main
/// thread's before there is a worker), between runs; `figures` is for any thread.
final class ModelResidents: @unchecked Sendable {
  let kernels: Kernels
  let pool: ThreadPool
  let budget: MemoryBudget
  let buffers: BufferPool
  let responses: ResponseCache
  let sequences = SequenceStore()
  /// What sessions need only while they run.
  let workspace: Workspace
  private let lock = Lock()
  /// Guarded by `lock`; changed by the worker alone.
  private var awake: [LoadedModel] = []
  /// All that are loaded, asleep too.
  private var loaded: [LoadedModel] = []
  private var counts = Counts()
  /// What models keep even asleep.
  private var describedByteCount = 0
  private var currentRung = PressureLadder.Rung.none
  private var isRoomForBatches = false
  private var currentEffort = ComputeEffort()
  /// Where runs take place now. The worker's alone.
  private var processors: [Int] = []

  struct Counts: Sendable {
    var sleeps = 0
    var wakes = 0
    /// Changes of a cache's size.
    var resizes = 0
  }

  init(
    kernels: Kernels, pool: ThreadPool, budget: MemoryBudget, buffers: BufferPool, responseCacheByteCount: Int = 0
  ) throws(ServingError) {
    do throws(MemoryError) {
      workspace = try Workspace(budget: budget)
      responses = try ResponseCache(byteCountMax: responseCacheByteCount, budget: budget)
    } catch {
      throw .memory(error)
    }
    self.kernels = kernels
    self.pool = pool
    self.budget = budget
    self.buffers = buffers
  }

  // MARK: Any thread

  var counters: Counts { lock.withLock { counts } }
  var models: [LoadedModel] { lock.withLock { awake } }

  /// A version that is loaded, asleep or not; without a number the highest.
  func loadedModel(_ name: String, version: Int?) -> LoadedModel? {
    lock.withLock {
      var best: LoadedModel?
      // The last is the newest: one of the same number may be about to go.
      for model in loaded where model.name == name && (version == nil || model.version == version) {
        if let found = best, found.version > model.version { continue }
        best = model
      }
      return best
    }
  }

  /// How far down the ladder the server is: below the top, caches do not grow.
  var rung: PressureLadder.Rung {
    get { lock.withLock { currentRung } }
    set { lock.withLock { currentRung = newValue } }
  }

  /// Whether a model has room for several inferences at once.
  var hasRoomForBatches: Bool {
    get { lock.withLock { isRoomForBatches } }
    set { lock.withLock { isRoomForBatches = newValue } }
  }

  /// How much effort runs may take.
  var effort: ComputeEffort {
    get { lock.withLock { currentEffort } }
    set { lock.withLock { currentEffort = newValue } }
  }

  /// Bytes of the budget that models and their workspace hold and could give up for `sparing`'s sake, which keeps what it
  /// needs to run.
  func reclaimableByteCount(sparing: LoadedModel?) -> Int {
    let purposes: [MemoryBudget.Purpose] = [.metadata, .weights, .activations, .decoder]
    let held = purposes.reduce(0) { $0 + budget.reservedByteCount(for: $1) }
    let kept = sparing.map { $0.residency.leastByteCount } ?? 0
    return max(0, held - kept - lock.withLock { describedByteCount })
  }

  // MARK: Loading and waking

  /// Reserves bytes that the heap will hold, at the expense of models where that is needed.
  func reserve(
    _ byteCount: Int, for purpose: MemoryBudget.Purpose, holding: Int
  ) throws(ServingError) -> HeldMemory {
    try findingRoom(sparing: nil, holding: holding) { () throws(MemoryError) in
      HeldMemory(try budget.reserve(byteCount, for: purpose))
    }
  }

  /// Loads a version from a file that has been opened, at the expense of others where that is needed.
  func load(
    name: String, version: Int, configuration: ModelConfiguration, file: consuming File, identity: FileIdentity,
    claims: ModelClaims
  ) throws(ServingError) -> LoadedModel {
    let isTable: Bool
    do { isTable = try Table.isTable(file) } catch { throw .modelFile(path: file.path, error) }
    if isTable {
      return try loadTable(
        name: name, version: version, configuration: configuration, file: file, identity: identity, claims: claims)
    }
    // First, since a session may take all that is left.
    let labels = try reserveLabels(claims, file)
    let (session, ports) = try open(file, for: nil, claims: claims)
    let sequences = try SequenceLayout(configuration, inputs: session.inputs, outputs: session.outputs, model: name)
    let model = LoadedModel(
      name: name, version: version, configuration: configuration, file: file, identity: identity, session: session,
      sequences: sequences, describing: ports.map { [labels, $0] } ?? [labels])
    if let times = ThreadTimes.cached(session, isa: kernels.name) { model.threadTimes = times }
    model.adoptThreadTimes(session)
    enter(model)
    return model
  }

  /// Takes note of a model that is loaded and awake.
  func enter(_ model: LoadedModel) {
    lock.withLock { awake.append(model) }
    add(model)
    if rung >= .idleCaches { resize(model, to: 0) }
  }

  /// Takes note of a model that is loaded.
  func add(_ model: LoadedModel) {
    lock.withLock {
      loaded.append(model)
      describedByteCount += model.describingByteCount
    }
    forgetEnsembles(of: model)
  }

  /// What ensembles answered may not be what they answer with another version of their member.
  private func forgetEnsembles(of member: LoadedModel) {
    for model in lock.withLock({ loaded }) {
      if let ensemble = model.ensemble, ensemble.steps.contains(where: { $0.modelName == member.name }) {
        responses.forget(model)
      }
    }
  }

  private func reserveLabels(_ claims: ModelClaims, _ file: borrowing File) throws(ServingError) -> HeldMemory {
    do throws(ServingError) {
      return try reserve(claims.labelsByteCount, for: .metadata, holding: claims.requestByteCount)
    } catch {
      throw explained(error, file, sparing: nil, claims)
    }
  }

  /// The model's session, made anew where it sleeps, for a request that holds `holding` bytes. Errors: the budget refuses, its
  /// file has changed in place, it is gone.
  func wake(_ model: LoadedModel, holding: Int = 0) throws(ServingError) -> Session {
    if let session = model.session { return session }
    guard model.residency.state == .asleep else {
      throw .modelUnavailable(model: model.name, reason: "unloaded")
    }
    #if THIMBLE_SIGNATURES
      try model.checkSigned()
    #endif
    model.wake(try open(model.opened, for: model, claims: ModelClaims(requestByteCount: holding)).session)
    let isAlike = model.session.map { $0.inputs.isAlike(model.sessionInputs) && $0.outputs.isAlike(model.outputs) }
    guard isAlike == true else {
      leave(model, .asleep)
      throw .modelChanged(model: model.name)
    }
    model.session.map { _ = model.adoptThreadTimes($0) }
    woke(model)
    guard let session = model.session else { throw .stopping }  // it has just been made
    return session
  }

  /// Takes note of a model that is awake again.
  func woke(_ model: LoadedModel) {
    lock.withLock {
      awake.append(model)
      counts.wakes += 1
    }
    if rung >= .idleCaches { resize(model, to: 0) }
  }

  private func open(
    _ file: borrowing File, for model: LoadedModel?, claims: ModelClaims
  ) throws(ServingError) -> (session: Session, ports: HeldMemory?) {
    try findingRoom(for: file, sparing: model, claims) { () throws(SessionError) in
      try session(file, describingPorts: claims.describesPorts)
    }
  }

  /// Tries what reads a model's file until it fits or nobody can give up more.
  func findingRoom<Result>(
    for file: borrowing File, sparing model: LoadedModel?, _ claims: ModelClaims,
    _ body: () throws(SessionError) -> Result
  ) throws(ServingError) -> Result {
    var triesLeft = triesMax
    while true {
      do throws(SessionError) { return try body() } catch {
        // A session that could not be made may have left its claims.
        workspace.trim()
        switch error {
        case .file(let error): throw .modelFile(path: file.path, error)
        case .memory(let error):
          triesLeft -= 1
          guard triesLeft > 0, makeRoom(for: error, sparing: model) else {
            throw explained(
              refusal(error, sparing: model, holding: claims.heldByteCount), file, sparing: model, claims)
          }
        }
      }
    }
  }

  /// What a session leaves of the budget that is free when it is made.
  private enum Headroom {
    /// Some for requests of any kind, and one of its own.
    case forClients
    /// One request of its own.
    case forItself
    case none
  }

  /// What a session was offered; nothing where its file could not be read.
  private struct Offer {
    var memoryByteCount: Int?
    var availableByteCount = 0
  }

  private func session(
    _ file: borrowing File, describingPorts: Bool
  ) throws(SessionError) -> (session: Session, ports: HeldMemory?) {
    // A session takes what there is: it is to leave some for requests, unless it needs that itself.
    var offer = Offer()
    for headroom in [Headroom.forClients, .forItself] {
      do throws(SessionError) {
        return try session(file, describingPorts, leaving: headroom, &offer)
      } catch {
        guard let offered = offer.memoryByteCount,
          case .memory(.doesNotFit(let needed, offered, let least)) = error
        else { throw error }
        guard needed <= offer.availableByteCount else {
          throw .memory(.doesNotFit(needed: needed, available: offer.availableByteCount, leastBudget: least))
        }
      }
      workspace.trim()
    }
    return try session(file, describingPorts, leaving: .none, &offer)
  }

  private func session(
    _ file: borrowing File, _ describesPorts: Bool, leaving headroom: Headroom, _ offer: inout Offer
  ) throws(SessionError) -> (session: Session, ports: HeldMemory?) {
    let opened: ModelFile
    do { opened = try ModelFile.open(file, budget: budget) } catch { throw SessionError(error) }
    var ports: HeldMemory?
    if describesPorts {
      let byteCount = LoadedModel.portsByteCount(opened.graph)
      do { ports = HeldMemory(try budget.reserve(byteCount, for: .metadata)) } catch { throw .memory(error) }
    }
    let available = budget.availableByteCount
    let exchange = ModelResidents.exchangeByteCount(opened.graph)
    let left =
      switch headroom {
      case .forClients: max(ServingLimits.headroomByteCount(budget.limitByteCount), exchange)
      case .forItself: exchange
      case .none: 0
      }
    let wanted = max(0, available - left)
    offer = Offer(memoryByteCount: wanted, availableByteCount: available)
    let session = try Session(
      opened, kernels: kernels, pool: pool, budget: budget, workspace: workspace, memoryByteCount: wanted)
    return (session, ports)
  }

  // MARK: Use

  /// The session, awake and with its share of the budget: for one run that starts now, for a request that holds `holding`
  /// bytes.
  func begin(_ model: LoadedModel, holding: Int) throws(ServingError) -> Session {
    let session = try wake(model, holding: holding)
    let now = Clock.nowNanoseconds
    share(model, now)
    model.use(at: now)
    return session
  }

  /// What a run that starts now may take; moves the threads there. The worker's.
  func takeEffort() -> ComputeEffort {
    let effort = effort
    if effort.processors != processors {
      processors = effort.processors
      pool.place(on: processors)
    }
    if effort.spins != pool.spins { pool.spins = effort.spins }
    return effort
  }

  /// After the run.
  func end(_ model: LoadedModel) { model.used(at: Clock.nowNanoseconds) }

  func share(_ model: LoadedModel, _ now: Int64) {
    let rung = rung
    guard rung < .idleCaches else {
      if rung >= .streamed { resize(model, to: 0) }
      return
    }
    let models = models
    guard let index = models.firstIndex(where: { $0 === model }) else { return }
    let free = budget.availableByteCount - ServingLimits.headroomByteCount(budget.limitByteCount)
    let shares = models.map { $0.residency.shares(at: now) }
    apply(CacheShares.sizes(shares, using: index, freeByteCount: free), to: models)
  }

  /// Shrinks first, so that what grows finds the room. Returns whether anything changed.
  @discardableResult
  func apply(_ sizes: [Int], to models: [LoadedModel]) -> Bool {
    var hasChanged = false
    for (model, size) in zip(models, sizes) where size < model.residency.cacheByteCount {
      hasChanged = resize(model, to: size) || hasChanged
    }
    for (model, size) in zip(models, sizes) where size > model.residency.cacheByteCount {
      hasChanged = resize(model, to: size) || hasChanged
    }
    return hasChanged
  }

  @discardableResult
  func resize(_ model: LoadedModel, to byteCount: Int) -> Bool {
    guard model.residency.cacheByteCount != byteCount, model.resizeCache(to: byteCount) else { return false }
    lock.withLock { counts.resizes += 1 }
    return true
  }

  // MARK: Going

  /// Puts a model to sleep.
  func sleep(_ model: LoadedModel) {
    guard model.isAwake else { return }
    leave(model, .asleep)
    lock.withLock { counts.sleeps += 1 }
  }

  /// Gives everything of a model back for good.
  func retire(_ model: LoadedModel) {
    guard model.residency.state != .retired else { return }
    leave(model, .retired)
    responses.forget(model)
    sequences.forget(model)
    forgetEnsembles(of: model)
    lock.withLock {
      loaded.removeAll { $0 === model }
      describedByteCount -= model.describingByteCount
    }
  }

  private func leave(_ model: LoadedModel, _ state: LoadedModel.Residency.State) {
    lock.withLock { awake.removeAll { $0 === model } }
    model.end(state)
    workspace.trim()
    if models.isEmpty { buffers.trim() }
  }
}
