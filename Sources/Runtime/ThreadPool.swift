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

  /// Runs the job on all threads; returns when every part is done. One caller at a time.
  func run(_ job: any Job) { crew.run(job) }

  /// Runs the steps on those threads that are there; returns when all are done. One caller at a time.
  func run(steps job: any SteppedJob) { crew.run(steps: job) }
}

/// What the pool and its threads share. Threads hold this and not the pool, which therefore ends when its owner lets go.
private final class Crew: @unchecked Sendable {
  private let count: Int
  /// Counts jobs by 2; odd values announce steps, which threads need not come for.
  private let generation = Futex()
  private let sleepers = Futex()
  private let barrier: Barrier
  private let steps: SharedSteps
  /// Written before a new generation is announced, read after.
  private nonisolated(unsafe) var job: (any Job)?
  private nonisolated(unsafe) var isStopping = false

  init(count: Int) {
    self.count = count
    barrier = Barrier(count: count)
    steps = SharedSteps(parts: count)
  }

  func stop() {
    isStopping = true
    generation.store((generation.load() | 1) &+ 1)
    generation.wakeAll()
  }

  func run(_ job: any Job) {
    if count == 1 { return job.run(part: 0, of: 1, barrier: barrier) }
    self.job = job
    announce((generation.load() | 1) &+ 1)
    job.run(part: 0, of: count, barrier: barrier)
    barrier.wait()
    self.job = nil
  }

  func run(steps job: any SteppedJob) {
    if count == 1 || job.stepCount == 0 {
      for step in 0..<job.stepCount { job.run(step: step, part: 0, of: 1) }
      return
    }
    let number = ((generation.load() | 1) &+ 2)
    steps.open(job, run: number)
    announce(number)
    steps.take(part: 0, run: number)
    steps.close()
  }

  private func announce(_ number: UInt32) {
    generation.store(number)
    if sleepers.load() > 0 { generation.wakeAll() }
  }

  func work(_ part: Int) {
    var seen: UInt32 = 0
    while true {
      generation.waitForChange(from: seen, sleepers: sleepers, spinCount: ThreadPool.spinCount)
      seen = generation.load()
      if isStopping { return }
      if seen & 1 == 1 {
        steps.take(part: part, run: seen)
      } else {
        job?.run(part: part, of: count, barrier: barrier)
        barrier.wait()
      }
    }
  }
}

/// All threads wait here until the last one comes.
final class Barrier: Sendable {
  private let count: UInt32
  private let arrived = Futex()
  private let phase = Futex()
  private let sleepers = Futex()

  init(count: Int) { self.count = UInt32(count) }

  /// A part that would wait decodes `weights` that will be needed instead, as long as there are any.
  func wait(helping weights: WeightStore? = nil, part: Int = 0) {
    if count == 1 { return }
    let current = phase.load()
    if arrived.add(1) == count {
      arrived.store(0)
      phase.add(1)
      if sleepers.load() > 0 { phase.wakeAll() }
      return
    }
    if let weights { while phase.load() == current && weights.help(part: part) {} }
    phase.waitForChange(from: current, sleepers: sleepers, spinCount: ThreadPool.spinCount)
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
