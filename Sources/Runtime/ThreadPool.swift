import CSystem
import Memory
import System

/// Work that all threads of a pool share.
protocol Job: AnyObject {
  /// Does one part's share; every thread must pass the same barriers.
  func run(part: Int, of parts: Int, barrier: Barrier)
}

/// A fixed set of threads that run one job at a time, the caller being one of them; idle threads park.
public final class ThreadPool: @unchecked Sendable {
  public let threadCount: Int
  private let crew: Crew
  private var workers: [Thread] = []
  private let stacks: MemoryBudget.Reservation

  /// Turns of waiting before a thread parks: some 20 µs. Longer costs power and other programs; shorter costs a wake-up
  /// between the layers of one network.
  static let spinCount = 400

  public init(threadCount: Int, budget: MemoryBudget) throws(ThreadPoolError) {
    precondition(threadCount >= 1)
    self.threadCount = threadCount
    let stacks: MemoryBudget.Reservation
    do { stacks = try budget.reserve((threadCount - 1) * Thread.stackByteCount, for: .stacks) } catch {
      throw .memory(error)
    }
    self.stacks = stacks
    let crew = Crew(count: threadCount)
    self.crew = crew
    for part in 1..<max(1, threadCount) {
      do throws(SystemError) {
        workers.append(try Thread { crew.work(part) })
      } catch {
        stop()
        throw .system(error)
      }
    }
  }

  deinit { stop() }

  private func stop() {
    crew.stop()
    for worker in workers { worker.join() }
    workers = []
  }

  /// Runs the job on the first threads of the pool; returns when every part is done. One caller at a time.
  func run(_ job: any Job, threadCount: Int? = nil) {
    crew.run(job, threadCount: min(threadCount ?? self.threadCount, self.threadCount))
  }

  /// Runs the steps on those of the first threads that are there; returns when all are done. One caller at a time.
  func run(steps job: any SteppedJob, threadCount: Int? = nil) {
    crew.run(steps: job, threadCount: min(threadCount ?? self.threadCount, self.threadCount))
  }

  /// Whether threads turn for a while before they park: quicker for the next layer, at the cost of power. Between runs.
  public var spins: Bool {
    get { crew.spins }
    set { crew.spins = newValue }
  }

  /// From the next run on threads run on these processors only, the caller's included; none: on any that the process may use.
  /// Between runs. What the kernel refuses, as processors come and go, stays as it was.
  public func place(on processors: [Int]) { crew.place(on: processors.map { Int32(truncatingIfNeeded: $0) }) }
}

/// What the pool and its threads share. Threads hold this and not the pool, which therefore ends when its owner lets go.
private final class Crew: @unchecked Sendable {
  /// A run as threads see it announced, in one word, so that none can take one run's number for another's.
  private struct Announcement: Equatable {
    let word: UInt32

    init(word: UInt32) { self.word = word }

    /// The one after `last`. `isStepped`: threads need not come for it.
    init(after last: Announcement, threadCount: Int, isStepped: Bool) {
      word = (last.word & ~0xFF) &+ 0x100 | UInt32(threadCount) << 1 | (isStepped ? 1 : 0)
    }

    var threadCount: Int { Int(word >> 1 & 0x7F) }
    var isStepped: Bool { word & 1 == 1 }
  }

  private let announced: Futex
  /// Threads that wait for the next run.
  private let sleepers = Futex()
  /// What threads wait on that the last run did not need; counts runs that need more threads than the one before.
  private let reserve = Futex()
  private let barrier = Barrier(count: 1)
  private let steps = SharedSteps()
  private let parksAtOnce = Futex()
  /// Written before a run is announced, read after.
  private nonisolated(unsafe) var job: (any Job)?
  private let isStopping = Futex()
  private let first: Announcement

  private let placing = Lock()
  /// Guarded by `placing`; the count of changes is read without.
  private var processors: [Int32] = []
  /// A number that no other placement of this process has; 0: anywhere.
  private let placement = Futex()
  private static let placements = Futex()

  init(count: Int) {
    first = Announcement(after: Announcement(word: 0), threadCount: count, isStepped: true)
    announced = Futex(first.word)
  }

  var spins: Bool {
    get { parksAtOnce.load() == 0 }
    set {
      parksAtOnce.store(newValue ? 0 : 1)
      barrier.spins = newValue
      steps.spins = newValue
    }
  }

  func stop() {
    isStopping.store(1)
    announced.add(0x100)
    announced.wakeAll()
    reserve.add(1)
    reserve.wakeAll()
  }

  func run(_ job: any Job, threadCount: Int) {
    takePlace()
    barrier.count = UInt32(threadCount)
    if threadCount == 1 { return job.run(part: 0, of: 1, barrier: barrier) }
    self.job = job
    announce(next(threadCount, isStepped: false))
    job.run(part: 0, of: threadCount, barrier: barrier)
    barrier.wait()
    self.job = nil
  }

  func run(steps job: any SteppedJob, threadCount: Int) {
    takePlace()
    if threadCount == 1 || job.stepCount == 0 {
      let mayEnd = job.mayEnd
      for step in 0..<job.stepCount {
        if mayEnd, step > 0, job.ends(before: step) { return }
        job.run(step: step, part: 0, of: 1)
      }
      return
    }
    let run = next(threadCount, isStepped: true)
    steps.open(job, run: run.word)
    announce(run)
    steps.take(part: 0, of: threadCount, run: run.word)
    steps.close()
  }

  private func next(_ threadCount: Int, isStepped: Bool) -> Announcement {
    Announcement(after: Announcement(word: announced.load()), threadCount: threadCount, isStepped: isStepped)
  }

  private func announce(_ run: Announcement) {
    let last = Announcement(word: announced.exchange(run.word))
    if sleepers.load() > 0 { announced.wakeAll() }
    if run.threadCount > last.threadCount {
      reserve.add(1)
      reserve.wakeAll()
    }
  }

  func work(_ part: Int) {
    var seen = first
    while true {
      let reserved = reserve.load()
      let run = Announcement(word: announced.load())
      if isStopping.load() != 0 { return }
      if run == seen {
        if part < run.threadCount {
          announced.waitForChange(from: seen.word, sleepers: sleepers, spinCount: spins ? ThreadPool.spinCount : 0)
        } else {
          reserve.wait(while: reserved)
        }
        continue
      }
      seen = run
      guard part < run.threadCount else { continue }
      takePlace()
      if run.isStepped {
        steps.take(part: part, of: run.threadCount, run: run.word)
      } else {
        job?.run(part: part, of: run.threadCount, barrier: barrier)
        barrier.wait()
      }
    }
  }

  func place(on processors: [Int32]) {
    placing.withLock {
      self.processors = processors
      placement.store(Crew.placements.add(1))
    }
  }

  /// Moves the calling thread where it is to run, if it is not there. Different threads may call runs in turn.
  private func takePlace() {
    if placement.load() == Thread.placement { return }
    placing.withLock {
      Thread.placement = placement.load()
      Thread.run(on: processors)
    }
  }
}

/// All threads wait here until the last one comes.
final class Barrier: @unchecked Sendable {
  /// Changes only while no thread is in it; who comes learns of it together with the work.
  nonisolated(unsafe) fileprivate(set) var count: UInt32
  nonisolated(unsafe) fileprivate(set) var spins = true
  private let arrived = Futex()
  private let phase = Futex()
  private let sleepers = Futex()

  /// Turns of waiting before a thread parks: some 100 µs, longer than most layers. A thread that parks within a run is
  /// missed at once.
  private static let spinCount = 2000

  init(count: Int) { self.count = UInt32(count) }

  /// A part that would wait decodes `weights` that will be needed instead, as long as there are any.
  func wait(helping weights: WeightStore? = nil, part: Int = 0) {
    // Read before arriving: once all have arrived the next run may change them.
    let (count, spins) = (count, spins)
    if count == 1 { return }
    let current = phase.load()
    if arrived.add(1) == count {
      arrived.store(0)
      phase.add(1)
      if sleepers.load() > 0 { phase.wakeAll() }
      return
    }
    if let weights { while phase.load() == current && weights.help(part: part) {} }
    phase.waitForChange(from: current, sleepers: sleepers, spinCount: spins ? Barrier.spinCount : 0)
  }
}

extension Futex {
  /// Waits until the word is no longer `value`: first turning, then parked and counted in `sleepers`.
  func waitForChange(from value: UInt32, sleepers: Futex, spinCount: Int) {
    for _ in 0..<spinCount {
      if load() != value { return }
      thimble_spin_hint()
    }
    sleepers.add(1)
    while load() == value { wait(while: value) }
    sleepers.add(UInt32.max)
  }
}

/// Why threads could not be started.
public enum ThreadPoolError: Error, Sendable {
  case memory(MemoryError)
  case system(SystemError)

  public var message: String {
    switch self {
    case .memory(let error): error.message
    case .system(let error): error.message
    }
  }
}
