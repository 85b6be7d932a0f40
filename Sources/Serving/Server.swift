import Memory
import Power
import Protocols
import Runtime
import System

/// The daemon: one event loop on the calling thread, one worker thread that runs models.
public final class Server: @unchecked Sendable {
  /// How a server came to its end.
  public enum Ending: Sendable {
    /// Every request in flight was answered.
    case drained
    /// The drain took too long, or a second signal came; the worker may still run.
    case cut
  }

  let configuration: ServerConfiguration
  let budget: MemoryBudget
  let buffers: BufferPool
  let repository: ModelRepository
  let scheduler: Scheduler
  let residents: ModelResidents
  let regions: SharedRegions
  let loader: ModelLoader
  let pressure: PressureWatch
  /// Nil: models are loaded and unloaded by requests alone.
  let watch: RepositoryWatch?
  /// Nil: nothing is governed.
  let power: PowerWatch?
  let service: ServiceWatch
  let log: Log
  let trace: TraceBook
  let poll: EventPoll
  let startedMilliseconds = Clock.wallMilliseconds
  private let signals: TerminationSignals?
  private let stopRequests = Futex()
  private var takenStopRequests: UInt32 = 0
  private let reloadRequests = Futex()
  private var takenReloadRequests: UInt32 = 0

  var listener: Listener?
  /// By slot.
  /// Who may ask what; nil: everybody may all.
  var policy: ClientPolicy?
  var cpuShares = CPUShares()
  var connections: [Connection?]
  /// Memory for one more client, so that somebody can always ask what is wrong.
  var spareReceiveMemory: Buffer?
  var freeSlots: [Int]
  /// How many there are.
  let openConnections = Futex()
  var acceptedCount: UInt64 = 0
  /// Whether the listener is watched; it is not while the process is out of descriptors.
  var isAccepting = false
  /// When to try again what the kernel refused; no time while it accepts.
  var acceptDueNanoseconds = Int64.max
  /// Whether clients wait in the queue of the socket until models have given up memory.
  var isMakingRoomForClients = false
  /// Whether what is handled now was alone: nobody else is served later for it.
  private(set) var isOnlyEvent = false
  private var busyPolling = BusyPolling()
  /// More processors than one, which this process may keep from sleeping.
  private var mayPollBusily: Bool { processorCount > 1 && residents.effort.spins }
  private var processorCount = 1
  /// How long the loop may still compute answers itself before it looks for others' events.
  private var turnNanosecondsLeft: Int64 = 0
  /// Whether the worker has a `PressureJob` or a `SleepJob`.
  var isGivingUp = false
  var isPuttingToSleep = false
  /// Whether the worker has a `CalibrationJob`.
  var isCalibrating = false
  /// Whether the worker has a `ReloadJob`, and whether another is to follow.
  var isReloading = false
  var wantsReload = false
  /// When a client last came, asked, or was answered.
  var lastUseNanoseconds = Clock.nowNanoseconds
  /// When the next load is to be tried again, or earlier.
  var retryDueNanoseconds = Int64.max
  /// When a request last began or ended.
  var lastActivityNanoseconds = Clock.nowNanoseconds
  var metrics: [ModelMetrics] = []
  /// What users have had of the cores.
  var clients = ClientUsage()
  /// When a drain ends at the latest; nil while the server is not stopping.
  private(set) var drainDeadlineNanoseconds: Int64?
  private var isCut = false
  /// Whom it runs as.
  public internal(set) var user = Isolation.User.current
  /// Whether system calls that serving does not need are refused.
  public internal(set) var areCallsFiltered = false

  static let listenerToken: UInt64 = 0
  static let schedulerToken: UInt64 = 1
  static let signalToken: UInt64 = 2
  static let pressureToken: UInt64 = 3
  static let powerToken: UInt64 = 4
  static let repositoryToken: UInt64 = 5
  static let firstConnectionToken: UInt64 = 16

  /// Reserves the server's own memory. Create `signals` before any other thread.
  public init(
    _ configuration: ServerConfiguration, kernels: Kernels, pool: ThreadPool, budget: MemoryBudget,
    signals: consuming TerminationSignals? = nil
  ) throws(ServingError) {
    guard configuration.limits.areConsistent else { throw .limits }
    let slots = configuration.limits.connectionsMax
    do { poll = try EventPoll() } catch { throw .system(error) }
    scheduler = try Scheduler(budget: budget, capacity: configuration.limits.queuedRequestsMax)
    do throws(MemoryError) {
      spareReceiveMemory = try Buffer(byteCount: ServingLimits.receiveBufferBytes, budget: budget)
    } catch {
      throw .memory(error)
    }
    buffers = BufferPool(budget: budget)
    regions = SharedRegions(budget: budget)
    let directory = ModelDirectory(configuration.modelsDirectory, trusting: configuration.trustedKeys)
    repository = ModelRepository(directory)
    residents = try ModelResidents(
      kernels: kernels, pool: pool, budget: budget, buffers: buffers,
      responseCacheByteCount: configuration.responseCacheByteCount)
    watch = configuration.watchesRepository ? try RepositoryWatch(directory) : nil
    loader = ModelLoader(directory: directory, residents: residents)
    pressure = PressureWatch(PressureSources(root: configuration.systemRoot))
    power = configuration.power.map { PowerWatch($0, root: configuration.systemRoot) }
    let log = Log(configuration.log, isQuiet: configuration.isQuiet)
    self.log = log
    service = ServiceWatch(configuration.service, log: log)
    trace = TraceBook(folder: configuration.traceFolder)
    connections = (0..<slots).map { _ in nil }
    freeSlots = Array((0..<slots).reversed())
    self.signals = signals
    self.configuration = configuration
    self.budget = budget
  }

  var isStopping: Bool { drainDeadlineNanoseconds != nil }

  /// Asks the server to stop, from any thread; a second call cuts the drain short.
  public func stop() {
    stopRequests.add(1)
    scheduler.signal()
  }

  /// Asks the server to read its configuration again, from any thread.
  public func reload() {
    reloadRequests.add(1)
    scheduler.signal()
  }

  // MARK: Starting

  /// Loads models, then listens: once the socket is there, the server is ready. A model that does not load is no error.
  /// Told to stop, it throws once the model that is being loaded is done.
  public func start() throws(ServingError) {
    policy = try readPolicy()
    let listener: Listener
    if let descriptor = configuration.service.listeningDescriptor {
      // Clients may come already; they wait in its queue.
      listener = try Listener(inherited: descriptor, tcpAddress: configuration.tcpAddress)
      try loadModels()
    } else {
      let claim = try Listener.claim(configuration.socketPath)
      try loadModels()
      listener = try Listener(path: configuration.socketPath, claim: claim, tcpAddress: configuration.tcpAddress)
    }
    do throws(SystemError) {
      try listener.watch(poll, token: Server.listenerToken)
      try poll.add(scheduler.descriptor, .readable, token: Server.schedulerToken)
      if let descriptor = signalDescriptor { try poll.add(descriptor, .readable, token: Server.signalToken) }
    } catch {
      throw .system(error)
    }
    try scheduler.start()
    isAccepting = true
    self.listener = listener
    processorCount = ProcessorLimit.threadCount(root: configuration.systemRoot)
    startWatchingPressure()
    startGoverning()
    startWatchingRepository()
    try isolate()
    lastUseNanoseconds = Clock.nowNanoseconds
    tellReady()
    if wantsReload {
      wantsReload = false
      beginReloading()
    }
    log.line(
      "serving \(repository.loadedModels.count) of \(repository.entries.count) models from "
        + "\(configuration.modelsDirectory) at \(listener.path)\(configuration.tcpAddress.map { " and \($0)" } ?? ""); \(log.budget(budget)); "
        + "kernels \(residents.kernels.name), \(residents.pool.threadCount) thread\(residents.pool.threadCount == 1 ? "" : "s")"
    )
  }

  private func loadModels() throws(ServingError) {
    try repository.scan()
    var names: [String] = []
    switch configuration.initialLoad {
    case .everything: names = repository.entries.map { $0.name }
    case .only(let wanted): names = wanted
    }
    try loadInitially(names)
    // Those whose models come after them.
    try loadInitially(names.filter { repository.waitsForMember($0) != nil })
  }

  private func loadInitially(_ names: [String]) throws(ServingError) {
    for name in names {
      if isToldToStop() { throw .stopping }
      service.tell(status: "loading \(name)")
      _ = try repository.entry(name)
      let result: Result<ModelLoader.Loaded, ServingError>
      do throws(ServingError) {
        result = .success(try loader.load(name, configuration: nil, current: []))
      } catch {
        result = .failure(error)
      }
      let failure = repository.finishLoad(name, result)
      log.load(name, repository, failure: failure)
      retryLater(name, failure, isWanted: true)
    }
    if isToldToStop() { throw .stopping }
  }

  /// Before the loop runs: whether a signal has come, or `stop` was called.
  private func isToldToStop() -> Bool {
    while let signal = takeSignal() {
      if signal != TerminationSignals.hangUp { return true }
      wantsReload = true
    }
    return stopRequests.load() != takenStopRequests
  }

  // MARK: The loop

  /// Serves until told to stop.
  public func run() throws(ServingError) -> Ending {
    while true {
      let timeout = timeoutMilliseconds()
      turnNanosecondsLeft = loopRunNanosecondsMax
      do throws(SystemError) { try waitForEvents(timeout) } catch { throw .system(error) }
      if timeout >= 0 { expire(Clock.nowNanoseconds) }
      if isStopping, connectionCount == 0 { break }
      if isCut { break }
    }
    scheduler.stop(waits: !isCut)
    if isCut {
      log.line("stopped with \(connectionCount) requests unanswered", .warning)
      return .cut
    }
    log.line("stopped")
    return .drained
  }

  /// Handles what comes until the timeout.
  private func waitForEvents(_ timeoutMilliseconds: Int32) throws(SystemError) {
    var began: Int64? = Clock.nowNanoseconds
    func take(_ event: EventPoll.Event) {
      if let start = began { busyPolling.note(event.token, isOnly: event.isOnly, after: Clock.nowNanoseconds - start) }
      began = nil
      handle(event)
    }
    if busyPolling.isWorthwhile, mayPollBusily, let start = began {
      repeat {
        if try poll.wait(timeoutMilliseconds: 0, take) { return }
      } while Clock.nowNanoseconds - start < BusyPolling.windowNanoseconds
      busyPolling.noteVain()
    }
    try poll.wait(timeoutMilliseconds: timeoutMilliseconds, take)
  }

  /// The longest run that the loop does itself.
  var loopRunNanosecondsMax: Int64 {
    connectionCount == 1 ? ServingLimits.soleClientRunNanosecondsMax : ServingLimits.loopRunNanosecondsMax
  }

  /// Whether the loop may compute for so long now. Else one client's requests, sent in one go, would keep the others waiting.
  func mayCompute(_ nanoseconds: Int64) -> Bool { nanoseconds <= turnNanosecondsLeft }

  func computed(since start: Int64) { turnNanosecondsLeft -= Clock.nowNanoseconds - start }

  private func handle(_ event: EventPoll.Event) {
    isOnlyEvent = event.isOnly
    switch event.token {
    case Server.listenerToken: acceptClients()
    case Server.schedulerToken:
      for job in scheduler.takeFinished() { finish(job) }
      takeStopRequests()
      takeReloadRequests()
    case Server.signalToken:
      while let signal = takeSignal() {
        if signal == TerminationSignals.hangUp { beginReloading() } else { beginStopping() }
      }
    case Server.pressureToken: takePressureNotice()
    case Server.powerToken: takePowerNotice()
    case Server.repositoryToken: watch?.takeNotice(Clock.nowNanoseconds)
    default: handleConnection(event)
    }
  }

  private func takeStopRequests() {
    let requests = stopRequests.load()
    while takenStopRequests != requests {
      takenStopRequests &+= 1
      beginStopping()
    }
  }

  private func takeReloadRequests() {
    let requests = reloadRequests.load()
    guard takenReloadRequests != requests else { return }
    takenReloadRequests = requests
    beginReloading()
  }

  private var signalDescriptor: Int32? {
    switch signals {
    case .some(let signals): signals.descriptor
    case .none: nil
    }
  }

  /// The number of a signal that has come.
  private func takeSignal() -> Int32? {
    switch signals {
    case .some(let signals): signals.next()
    case .none: nil
    }
  }

  // MARK: Stopping

  func beginStopping() {
    guard !isStopping else {
      isCut = true
      return
    }
    drainDeadlineNanoseconds =
      Clock.nowNanoseconds + Int64(configuration.limits.drainMilliseconds) * 1_000_000
    service.tell("STOPPING=1", status: "finishing the requests in flight")
    log.line("stopping: \(connectionCount) clients are connected")
    // Who is in the queue of the socket has been accepted as far as it knows.
    isMakingRoomForClients = false
    acceptClients(isRetry: true)
    if isAccepting { listener?.unwatch(poll) }
    isAccepting = false
    acceptDueNanoseconds = Int64.max
    listener?.removeFile()
    listener = nil
    for case let connection? in connections where connection.isIdle { advance(connection, mayReceive: true) }
    for case let connection? in connections where connection.isIdle { close(connection) }
  }

  // MARK: Time

  /// Until the next thing that is due; −1 where nothing is, so that an idle server does not wake.
  private func timeoutMilliseconds() -> Int32 {
    var due = min(drainDeadlineNanoseconds ?? Int64.max, housekeepingDueNanoseconds, acceptDueNanoseconds)
    due = min(due, service.dueNanoseconds, idleExitDueNanoseconds)
    for case let connection? in connections {
      due = min(due, connection.deadlineNanoseconds, connection.job?.deadlineNanoseconds ?? Int64.max)
    }
    guard due < Int64.max else { return -1 }
    let left = max(0, due - Clock.nowNanoseconds)
    return Int32(min(left / 1_000_000 + 1, 3_600_000))
  }

  private func expire(_ now: Int64) {
    if let deadline = drainDeadlineNanoseconds, now >= deadline { isCut = true }
    service.giveSign(now)
    goIfIdle(now)
    if now >= acceptDueNanoseconds { acceptClients() }
    keepHouse(now)
    for case let connection? in connections {
      if now >= connection.deadlineNanoseconds, !connection.rest() { close(connection) }
      if let job = connection.job, now >= job.deadlineNanoseconds { expire(job, of: connection) }
    }
  }
}
