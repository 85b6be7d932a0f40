import Memory
import System

/// A bounded queue between the event loop and the one thread that runs models, first come first served.
final class Scheduler: @unchecked Sendable {
  private let lock = Lock()
  /// Guarded by `lock`.
  private var queue: [QueuedJob] = []
  private var finished: [QueuedJob] = []
  private var isStopping = false
  /// Counts submissions; the worker sleeps on it.
  private let submissions = Futex()
  private let wakeUp: WakeUp
  private let stack: MemoryBudget.Reservation
  private var worker: Thread?

  init(budget: MemoryBudget, capacity: Int) throws(ServingError) {
    stack = try Scheduler.reserveStack(budget)
    do { wakeUp = try WakeUp() } catch { throw .system(error) }
    queue.reserveCapacity(capacity)
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
      guard queue.count < limit, !isStopping else { return false }
      if isFirst { queue.insert(job, at: 0) } else { queue.append(job) }
      return true
    }
    guard isTaken else { return false }
    submissions.add(1)
    submissions.wakeOne()
    return true
  }

  /// Takes a job back that has not been started; returns whether it still waited.
  func withdraw(_ job: QueuedJob) -> Bool {
    lock.withLock {
      guard let index = queue.firstIndex(where: { $0 === job }) else { return false }
      queue.remove(at: index)
      return true
    }
  }

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
      let (job, isStopping) = lock.withLock { (queue.isEmpty ? nil : queue.removeFirst(), self.isStopping) }
      if let job {
        job.run()
        lock.withLock { finished.append(job) }
        wakeUp.signal()
      } else if isStopping {
        return
      } else {
        submissions.wait(while: seen)
      }
    }
  }
}
