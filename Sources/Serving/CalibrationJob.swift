import Memory
import Runtime
import System

/// Measures how many threads a model is worth, in the gaps between requests: one number of threads a job. What the network
/// computes meanwhile goes nowhere.
final class CalibrationJob: QueuedJob, @unchecked Sendable {
  private var model: LoadedModel?
  private let isa: String
  private let isWanted: () -> Bool
  private var change: String?

  /// `isWanted`: whether somebody waits for the worker.
  init(_ model: LoadedModel, isa: String, isWanted: @escaping () -> Bool) {
    self.model = model
    self.isa = isa
    self.isWanted = isWanted
    super.init(connection: 0)
  }

  override func run() {
    defer { model = nil }
    guard let model, let session = model.session else { return }
    guard measure(session, &model.threadTimes), model.threadTimes.nextThreadCount(session) == nil else { return }
    model.threadTimes.endRound()
    model.threadTimes.cache(session, isa: isa)
    change = model.adoptThreadTimes(session)
  }

  /// Measures the next number of threads; returns whether it could, undisturbed.
  private func measure(_ session: Session, _ times: inout ThreadTimes) -> Bool {
    guard let count = times.nextThreadCount(session), !session.isStreaming else { return false }
    let preferred = session.preferredThreadCount
    session.preferredThreadCount = count
    defer { session.preferredThreadCount = preferred }
    var best = Int64.max
    let deadline = Clock.nowNanoseconds + ServingLimits.calibrationNanoseconds
    for round in 0..<ServingLimits.calibrationRunsMax {
      let start = Clock.nowNanoseconds
      session.run()
      let end = Clock.nowNanoseconds
      // The first run wakes threads and caches.
      if round > 0 { best = min(best, end - start) }
      if isWanted() { return false }
      if round > 0 && end > deadline { break }
    }
    times.add(.init(threadCount: count, nanoseconds: max(1, best)))
    return true
  }

  override func finish(_ server: Server) -> Answer {
    server.isCalibrating = false
    server.lastActivityNanoseconds = Clock.nowNanoseconds
    if let change { server.log.line(change) }
    return .empty
  }
}

extension ThreadTimes {
  /// What is to be measured next in this round; nil where that was the last.
  func nextThreadCount(_ session: Session) -> Int? {
    ThreadTimes.candidates(session.threadCount).first { $0 > measuredThreadCount }
  }

  /// When the next round is worth it: at once the first, each other after 16 times as long a pause as the one before, so that
  /// what one of them met is over; `Int64.max` where all are done.
  var nextRoundNanoseconds: Int64 {
    switch roundCount {
    case 0: 0
    case 1..<ThreadTimes.roundCountMax:
      Clock.nowNanoseconds + ServingLimits.calibrationPauseNanoseconds << Int64(4 * (roundCount - 1))
    default: Int64.max
    }
  }
}

extension Server {
  /// When the next model's threads are to be measured, given that nothing happens until then.
  var calibrationDueNanoseconds: Int64 {
    guard !isCalibrating, !isStopping, pressure.rung == .none,
      residents.effort.threadLimit >= residents.pool.threadCount
    else { return Int64.max }
    let due = residents.models.reduce(Int64.max) { min($0, $1.residency.calibrationDueNanoseconds) }
    return max(due, lastActivityNanoseconds + ServingLimits.calibrationIdleNanoseconds)
  }

  func calibrate(_ now: Int64) {
    guard now >= calibrationDueNanoseconds else { return }
    guard scheduler.queuedCount == 0 else {
      lastActivityNanoseconds = now
      return
    }
    guard let model = residents.models.first(where: { $0.residency.calibrationDueNanoseconds <= now })
    else { return }
    let scheduler = scheduler
    let job = CalibrationJob(model, isa: residents.kernels.name) { scheduler.queuedCount > 0 }
    isCalibrating = scheduler.submit(job, limit: 1)
  }
}
