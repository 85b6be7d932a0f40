import Memory
import System

/// A bounded queue between the event loop and the one thread that runs models; `JobQueue` says who is next.
final class Scheduler: @unchecked Sendable {
  private let lock = Lock()
  /// Guarded by `lock`.
  private var queue: JobQueue
  private var finished: [QueuedJob] = []
  private var isStopping = false
  /// Whether a job runs, on whichever thread.
  private var isRunning = false
  private var pace = Pace()
  /// Counts submissions; the worker sleeps on it.
  private let submissions = Futex()
  private let wakeUp: WakeUp
  private let stack: MemoryBudget.Reservation
  private var worker: Thread?

  init(budget: MemoryBudget, capacity: Int) throws(ServingError) {
    stack = try Scheduler.reserveStack(budget)
    do { wakeUp = try WakeUp() } catch { throw .system(error) }
    queue = JobQueue(capacity: capacity)
    finished.reserveCapacity(capacity)
  }

  private static func reserveStack(_ budget: MemoryBudget) throws(ServingError) -> MemoryBudget.Reservation {
    do { return try budget.reserve(ServingLimits.workerStackBytes, for: .stacks) } catch { throw .memory(error) }
  }

  /// Becomes readable when jobs have finished.
  var descriptor: Int32 { wakeUp.descriptor }

  /// Wakes the event loop for any other reason.
  func signal() { wakeUp.signal() }

  func start() throws(ServingError) {
    do {
      // The thread keeps the scheduler alive until `stop` has ended it.
      worker = try Thread(stackByteCount: ServingLimits.workerStackBytes) { self.work() }
    } catch {
      throw .system(error)
    }
  }

  /// Ends the worker once its job is done; jobs that wait are dropped. `waits`: returns only then.
  func stop(waits: Bool) {
    lock.withLock {
      isStopping = true
      queue.removeAll()
    }
    submissions.add(1)
    submissions.wakeAll()
    guard waits else { return }
    worker?.join()
    worker = nil
  }

  // MARK: The event loop's side

  var queuedCount: Int { lock.withLock { queue.count } }

  /// Returns whether there was room below `limit`. `isFirst`: before everything that waits.
  func submit(_ job: QueuedJob, limit: Int, isFirst: Bool = false) -> Bool {
    let isTaken = lock.withLock {
      guard !isStopping else { return false }
      guard isFirst else { return queue.append(job, limit: limit) == nil }
      if queue.count < limit { queue.insertFirst(job) }
      return queue.count <= limit
    }
    if isTaken { wakeWorker() }
    return isTaken
  }

  /// Lets a request wait; returns why not.
  func submit(_ job: QueuedJob, limit: Int, userLimit: Int) -> JobQueue.Refusal? {
    let refusal = lock.withLock {
      isStopping ? .full(limit: 0) : queue.append(job, limit: limit, userLimit: userLimit)
    }
    if refusal == nil { wakeWorker() }
    return refusal
  }

  private func wakeWorker() {
    submissions.add(1)
    submissions.wakeOne()
  }

  /// Runs a job on this thread, the event loop's, where nothing else runs or waits: no thread has to be woken then for it or for
  /// its answer. Returns whether it did.
  func runHere(_ job: QueuedJob) -> Bool {
    let start = Clock.nowNanoseconds
    let isTaken = lock.withLock {
      guard queue.isEmpty, !isRunning, !isStopping, max(dueNanoseconds(job), queue.batchDueNanoseconds(job)) <= start
      else { return false }
      isRunning = true
      return true
    }
    guard isTaken else { return false }
    job.run()
    let hasNext = lock.withLock {
      isRunning = false
      if job.isPaced { pace.ran(from: start, to: Clock.nowNanoseconds) }
      return !queue.isEmpty
    }
    if hasNext { wakeWorker() }
    return true
  }

  /// Lets paced jobs run so many percent of the time from now on, and requests that may run together wait so long for each
  /// other.
  func setDuty(percent: Int, batchWindowMicros: Int = 0) {
    let window = Int64(batchWindowMicros) * 1000
    let hasChanged = lock.withLock {
      let hasChanged = pace.dutyPercent != percent || queue.batchWindowNanoseconds != window
      pace.dutyPercent = percent
      queue.batchWindowNanoseconds = window
      return hasChanged
    }
    if hasChanged { wakeWorker() }
  }

  /// Takes a job back that has not been started; returns whether it still waited.
  func withdraw(_ job: QueuedJob) -> Bool { lock.withLock { queue.remove(job) } }

  /// The jobs finished since the last call.
  func takeFinished() -> [QueuedJob] {
    wakeUp.clear()
    return lock.withLock {
      let jobs = finished
      finished.removeAll(keepingCapacity: true)
      return jobs
    }
  }

  // MARK: The worker's side

  private func work() {
    while true {
      let seen = submissions.load()
      let now = Clock.nowNanoseconds
      let (job, others, due, isStopping) = lock.withLock {
        let job = takeDue(now)
        return (job, job.map { queue.takeMates(of: $0, now) } ?? [], nextDue, self.isStopping)
      }
      if let job {
        others.isEmpty ? job.run() : job.run(with: others)
        lock.withLock {
          isRunning = false
          let end = Clock.nowNanoseconds
          finished.append(job)
          finished.append(contentsOf: others)
          let share = (end - now) / Int64(1 + others.count)
          queue.ran(job, nanoseconds: share)
          for other in others { queue.ran(other, nanoseconds: share) }
          queue.ranTogether(job, count: 1 + others.count, from: now, to: end)
          if job.isPaced { pace.ran(from: now, to: end) }
        }
        wakeUp.signal()
      } else if isStopping {
        return
      } else {
        submissions.wait(while: seen, timeoutNanoseconds: due.map { max(1, $0 - now) } ?? -1)
      }
    }
  }

  /// The next job that may start. Holding `lock`.
  private func takeDue(_ now: Int64) -> QueuedJob? {
    guard !isRunning, let job = queue.take(now, dueNanoseconds) else { return nil }
    isRunning = true
    return job
  }

  /// When the next job may start; nil where none waits. Holding `lock`.
  private var nextDue: Int64? {
    isRunning ? nil : queue.nextDue(dueNanoseconds)
  }

  private func dueNanoseconds(_ job: QueuedJob) -> Int64 {
    job.isPaced ? max(job.earliestNanoseconds, pace.restsUntilNanoseconds) : job.earliestNanoseconds
  }
}

/// Pauses that keep work below a share of the time, so that heat goes as it comes. What comes later than its pause ends does
/// not wait.
struct Pace: Sendable {
  /// 100: no pauses.
  var dutyPercent = 100
  private var busyNanoseconds: Int64 = 0
  private var endNanoseconds: Int64 = 0

  /// A long run's pause is no longer than this: by then the decision will have been looked at again.
  static let pauseNanosecondsMax: Int64 = 2_000_000_000

  mutating func ran(from start: Int64, to end: Int64) {
    // Bounded, so that no pause overflows: some 18 minutes.
    busyNanoseconds = min(1 << 40, max(0, end - start))
    endNanoseconds = end
  }

  var restsUntilNanoseconds: Int64 {
    guard dutyPercent < 100 else { return 0 }
    let duty = Int64(max(1, dutyPercent))
    return endNanoseconds + min(Pace.pauseNanosecondsMax, busyNanoseconds / duty * (100 - duty))
  }
}
