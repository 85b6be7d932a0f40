import Memory
import ModelFile
import Runtime
import System
import Tables
import Tensors

/// One version of a model that requests may ask. Its session is there while the model is awake; asleep it keeps only what
/// describes it, and the open file, so that what wakes is what fell asleep, whatever is at the path by then.
final class LoadedModel: @unchecked Sendable {
  let name: String
  let version: Int
  let configuration: ModelConfiguration
  /// Those that requests bring: without the states of sequences.
  let inputs: [Session.Port]
  /// By input: the session's.
  let inputIndices: [Int]
  /// All of them; and where states lie, where it keeps any.
  let sessionInputs: [Session.Port]
  let sequenceLayout: SequenceLayout?
  let outputs: [Session.Port]
  /// Nil: a model of its own.
  let ensemble: Ensemble?
  /// What may be asked of it where it is a table; nil: it is none.
  let tablePorts: TablePorts?
  /// How its results are kept; nil where they are not.
  let exchange: ExchangeLayout?
  /// What the file was when it was read: a reload of the same file is nothing to do.
  let file: FileIdentity
  let opened: File
  #if THIMBLE_SIGNATURES
    /// Whether its signature was checked, so that it wakes as what was signed or not at all. The worker's alone.
    var isSigned = false
  #endif
  /// Bytes of the budget that it holds even asleep: labels, and the names of its inputs and outputs.
  var describingByteCount: Int { describing.reduce(0) { $0 + $1.byteCount } }
  private let describing: [HeldMemory]
  /// The worker's alone, as `Session` wants it.
  private(set) var session: Session?
  /// In the session's place. The worker's alone.
  private(set) var table: Table?
  /// The worker's alone.
  var threadTimes = ThreadTimes()
  private var vainCacheByteCount: Int?
  /// When the next inference may start where the model has a rate. The event loop's alone.
  private var freeSlotNanoseconds: Int64 = 0
  private let lock = Lock()
  /// Guarded by `lock`.
  private var current: Residency
  let fileFault = FileFault()

  /// What became of the file after loading, as far as somebody has met it: from then on no request succeeds until the model is
  /// loaded again. It outlives the model in jobs that are done.
  final class FileFault: @unchecked Sendable {
    /// The worker's alone.
    var met: ServingError?
    /// The event loop's alone: it learns of it with a request's answer, or when asked for readiness.
    var reported: ServingError?
  }

  /// What any thread may know of a model at one moment.
  struct Residency: Sendable {
    enum State: Sendable {
      case awake
      /// Comes back at the next request.
      case asleep
      /// Unloaded or replaced: stays away.
      case retired
    }

    var state = State.awake
    /// Bytes of the budget that it holds whatever its cache.
    var floorByteCount = 0
    var cacheByteCount = 0
    var cacheByteCountMin = 0
    var cacheByteCountMax = 0
    /// Bytes of the workspace that a run needs.
    var workspaceByteCount = 0
    var score: UseScore
    var lastUsedNanoseconds: Int64
    /// Requests that wait or run.
    var pendingCount = 0
    /// Whether weights pass through memory for every run.
    var isStreaming = false
    /// When it is to be measured next how many threads it is worth: 0 where nobody knows, `Int64.max` where all is known or none
    /// but one can be had.
    var calibrationDueNanoseconds = Int64.max

    var byteCount: Int { floorByteCount + cacheByteCount }
    /// What it cannot give while it is awake.
    var leastByteCount: Int { floorByteCount + cacheByteCountMin + workspaceByteCount }

    /// Nobody waits for it, and nobody has asked it for so long.
    func isIdle(since now: Int64, for nanoseconds: Int64) -> Bool {
      state == .awake && pendingCount == 0 && now - lastUsedNanoseconds >= nanoseconds
    }

    func shares(at now: Int64) -> CacheShares.Model {
      .init(
        score: score.value(at: now), cacheByteCount: cacheByteCount, cacheByteCountMin: cacheByteCountMin,
        cacheByteCountMax: cacheByteCountMax, idleNanoseconds: now - lastUsedNanoseconds)
    }
  }

  init(
    name: String, version: Int, configuration: ModelConfiguration, file opened: consuming File, identity: FileIdentity,
    session: Session, sequences: SequenceLayout? = nil, describing: [HeldMemory]
  ) {
    self.describing = describing
    self.name = name
    self.version = version
    self.configuration = configuration
    self.opened = opened
    ensemble = nil
    tablePorts = nil
    file = identity
    sessionInputs = session.inputs
    sequenceLayout = sequences
    inputIndices = session.inputs.indices.filter { index in
      !(sequences?.states.contains { $0.input == index } ?? false)
    }
    inputs = inputIndices.map { session.inputs[$0] }
    outputs = session.outputs
    exchange =
      configuration.cachesResponses && sequences == nil
      ? ExchangeLayout(
        inputByteCounts: inputs.map { $0.byteCount }, outputByteCounts: outputs.map { $0.byteCount }) : nil
    self.session = session
    let now = Clock.nowNanoseconds
    current = Residency(score: UseScore(at: now), lastUsedNanoseconds: now)
    noteSession()
  }

  /// An ensemble: it has no file and no session, and holds only what describes it. `folder` is where its configuration stands.
  init(
    name: String, configuration: ModelConfiguration, ensemble: Ensemble, folder: consuming File,
    identity: FileIdentity, describing: [HeldMemory]
  ) {
    self.describing = describing
    self.name = name
    version = 1
    self.configuration = configuration
    self.ensemble = ensemble
    tablePorts = nil
    opened = folder
    file = identity
    inputs = ensemble.inputs
    inputIndices = Array(inputs.indices)
    sessionInputs = []
    sequenceLayout = nil
    outputs = ensemble.outputs
    exchange =
      configuration.cachesResponses
      ? ExchangeLayout(
        inputByteCounts: inputs.map { $0.byteCount }, outputByteCounts: outputs.map { $0.byteCount }) : nil
    let now = Clock.nowNanoseconds
    current = Residency(score: UseScore(at: now), lastUsedNanoseconds: now)
  }

  /// A table.
  init(
    name: String, version: Int, configuration: ModelConfiguration, file opened: consuming File, identity: FileIdentity,
    table: Table, describing: [HeldMemory]
  ) {
    self.describing = describing
    self.name = name
    self.version = version
    self.configuration = configuration
    self.opened = opened
    ensemble = nil
    let ports = TablePorts(table)
    tablePorts = ports
    file = identity
    (inputs, outputs) = (ports.inputs, ports.outputs)
    inputIndices = Array(inputs.indices)
    sessionInputs = []
    sequenceLayout = nil
    exchange = nil
    self.table = table
    let now = Clock.nowNanoseconds
    current = Residency(score: UseScore(at: now), lastUsedNanoseconds: now)
    noteTable()
  }

  var platform: String { ensemble != nil ? "ensemble" : tablePorts != nil ? "thimble_table" : "thimble" }

  /// Whether it runs a network of its own.
  var isNetwork: Bool { ensemble == nil && tablePorts == nil }

  /// Whether a request may bring several rows: it keeps nothing from one to the next, and all tensors are of batch 1.
  var takesRows: Bool {
    isNetwork && sequenceLayout == nil
      && (inputs + outputs).allSatisfy { $0.shape.rank > 1 && $0.shape.dimensions.first == 1 }
  }

  /// Whether what it runs with is in memory. The worker's.
  var isAwake: Bool { session != nil || table != nil }

  /// Bytes of the heap. A string of over 15 bytes takes an allocation of its own.
  static func labelsByteCount(_ labels: [String]) -> Int {
    labels.reduce(0) { $0 + 16 + ($1.utf8.count > 15 ? $1.utf8.count + 48 : 0) }
  }

  /// Bytes of the heap that the descriptions of inputs and outputs take. Few are part of the heap's allowance.
  static func portsByteCount(_ graph: Graph) -> Int {
    let ports = graph.inputs + graph.outputs
    guard ports.count > 8 else { return 0 }
    return ports.reduce(0) {
      let tensor = graph.tensors[$1]
      return $0 + 192 + tensor.name.utf8.count + 8 * tensor.shape.dimensions.count
    }
  }

  // MARK: Any thread

  var residency: Residency { lock.withLock { current } }

  /// Bytes of the budget that it holds now.
  var byteCount: Int { residency.byteCount + describingByteCount }

  func requestBegan() { lock.withLock { current.pendingCount += 1 } }
  func requestEnded() { lock.withLock { current.pendingCount -= 1 } }

  /// What somebody has done to the file since it was loaded; nil where nothing.
  private var changeOfFile: ServingError? {
    guard ensemble == nil, let status = try? opened.status(), FileIdentity(status) != file else { return nil }
    return .modelFile(path: opened.path, .changed(from: file.byteCount, to: status.byteCount))
  }

  /// When the next request may start; 0 where the model has no rate. Asked by the event loop.
  var nextSlotNanoseconds: Int64 {
    configuration.periodNanoseconds == 0 ? 0 : max(freeSlotNanoseconds, Clock.nowNanoseconds)
  }

  func takeSlot(_ slot: Int64) {
    if slot > 0 { freeSlotNanoseconds = slot + configuration.periodNanoseconds }
  }

  /// Asked by the event loop for a client that wants to know whether the model is ready.
  func checkReadiness() throws(ServingError) {
    if let reported = fileFault.reported { throw reported }
    guard let change = changeOfFile else { return }
    fileFault.reported = change
    throw change
  }

  // MARK: The worker's

  /// Whether what the session computes is worth anything: asked before and after every run.
  ///
  /// - Throws: that the file was changed or could not be read since it was loaded; from then on always.
  func checkFile() throws(ServingError) {
    if let met = fileFault.met { throw met }
    fileFault.met = changeOfFile
    if fileFault.met == nil, let session {
      do { try session.checkFile() } catch { fileFault.met = ServingError(error, path: opened.path) }
    }
    if let met = fileFault.met { throw met }
  }

  func use(at now: Int64) {
    lock.withLock {
      current.score.use(at: now)
      current.lastUsedNanoseconds = now
    }
  }

  /// After a run, during which it was not idle either.
  func used(at now: Int64) { lock.withLock { current.lastUsedNanoseconds = now } }

  func wake(_ session: Session) {
    self.session = session
    lock.withLock { current.state = .awake }
    noteSession()
  }

  func wake(_ table: Table) {
    self.table = table
    lock.withLock { current.state = .awake }
    noteTable()
  }

  private func noteTable() {
    guard let table else { return }
    vainCacheByteCount = nil
    let (floor, most) = (table.floorByteCount, table.cacheByteCountMax)
    lock.withLock {
      (current.floorByteCount, current.cacheByteCount, current.cacheByteCountMax) = (floor, table.cacheByteCount, most)
    }
  }

  /// Takes as many threads as have been measured to be worth it; until then as many as are estimated to be. Returns what has
  /// changed, for people.
  @discardableResult
  func adoptThreadTimes(_ session: Session) -> String? {
    let before = session.preferredThreadCount
    let period = configuration.periodNanoseconds
    if threadTimes.roundCount > 0,
      let count = threadTimes.threadCount(forRunsPerSecond: period > 0 ? 1e9 / Double(period) : 0)
    {
      session.preferredThreadCount = count
    } else if session.isFasterAlone {
      session.preferredThreadCount = 1
    }
    let isMeasurable = session.threadCount > 1 && !session.isStreaming
    lock.withLock { current.calibrationDueNanoseconds = isMeasurable ? threadTimes.nextRoundNanoseconds : Int64.max }
    guard session.preferredThreadCount != before else { return nil }
    return
      "model \(name) version \(version): \(session.preferredThreadCount) of \(session.threadCount) threads are worth it"
  }

  /// Gives the session's memory back.
  func end(_ state: Residency.State) {
    (session, table) = (nil, nil)
    lock.withLock {
      current.state = state
      (current.floorByteCount, current.cacheByteCount, current.workspaceByteCount) = (0, 0, 0)
      (current.cacheByteCountMin, current.cacheByteCountMax) = (0, 0)
      current.calibrationDueNanoseconds = Int64.max
    }
  }

  /// Lets the session keep so many bytes of weights. Returns whether that changed anything.
  func resizeCache(to byteCount: Int) -> Bool {
    if let table {
      let before = table.cacheByteCount
      let after = table.resizeCache(to: byteCount)
      lock.withLock { current.cacheByteCount = after }
      return after != before
    }
    // Weights come in tiles: what changed nothing once is not tried again for the same size.
    guard let session, byteCount != vainCacheByteCount else { return false }
    let before = session.cacheByteCount
    let after = session.resizeCache(to: byteCount)
    vainCacheByteCount = after == before ? byteCount : nil
    lock.withLock {
      current.cacheByteCount = after
      current.workspaceByteCount = session.workspaceByteCount
      current.isStreaming = session.isStreaming
    }
    return after != before
  }

  private func noteSession() {
    guard let session else { return }
    vainCacheByteCount = nil
    let (least, most) = (session.cacheByteCountMin, session.cacheByteCountMax)
    lock.withLock {
      current.floorByteCount = session.floorByteCount
      current.cacheByteCount = session.cacheByteCount
      current.workspaceByteCount = session.workspaceByteCount
      current.isStreaming = session.isStreaming
      (current.cacheByteCountMin, current.cacheByteCountMax) = (least, most)
    }
  }
}

extension ServingError {
  /// What is wrong with the model at `path`.
  init(_ error: SessionError, path: String) {
    switch error {
    case .memory(let error): self = .memory(error)
    case .file(let error): self = .modelFile(path: path, error)
    }
  }
}
