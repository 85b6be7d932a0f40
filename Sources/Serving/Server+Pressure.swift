import Memory
import System

/// Memory pressure, and models that have been idle for long: what the event loop does now and then.
extension Server {
  /// Says which sources there are, and watches those that speak up.
  func startWatchingPressure() {
    for remark in pressure.sources.remarks { log.line("memory pressure: \(remark)") }
    armNotices()
  }

  /// Whether anything could be given up.
  private var canGive: Bool {
    !residents.models.isEmpty || buffers.spareByteCount > 0 || residents.responses.figures.entryCount > 0
  }

  private func armNotices() {
    guard !pressure.isArmed else { return }
    pressure.sources.dropGone()
    for source in pressure.sources.sources {
      try? poll.add(source.notice.descriptor, source.notice.interest, token: Server.pressureToken)
    }
    pressure.isArmed = true
  }

  private func disarmNotices() {
    guard pressure.isArmed else { return }
    for source in pressure.sources.sources { poll.remove(source.notice.descriptor) }
    pressure.isArmed = false
  }

  /// A notice has come. It rests until the next look: some come a hundred times a second.
  func takePressureNotice() {
    disarmNotices()
    lookAtPressure(Clock.nowNanoseconds)
  }

  private func lookAtPressure(_ now: Int64) {
    if let change = pressure.look(now) { take(change) }
    giveUp(now)
  }

  private func take(_ change: PressureWatch.Change) {
    let step = change.step
    residents.rung = step.to
    residents.responses.keepsResponses = step.to < .spares
    buffers.keepsSpares = step.to < .spares
    log.line(
      "memory pressure: \(step.isDown ? "down" : "up") from \(step.from.name) to \(step.to.name): \(change.cause); "
        + log.budget(budget), step.isDown ? .warning : .information)
  }

  /// Has the worker do what the rung asks, unless it is at it.
  private func giveUp(_ now: Int64) {
    guard !isGivingUp, !isStopping, residents.hasLeftToGive(at: pressure.rung, now: now) else { return }
    isGivingUp = scheduler.submit(
      PressureJob(pressure.rung, residents: residents), limit: Int.max, isFirst: true)
  }

  /// Errors: the ladder's last rung, where no inferences or loads are taken.
  func checkPressure() throws(ServingError) {
    guard pressure.rung == .refuse else { return }
    throw .memoryPressure(retryAfterSeconds: pressure.retryAfterSeconds(Clock.nowNanoseconds))
  }

  // MARK: Time

  /// When there is something to do besides clients and jobs.
  var housekeepingDueNanoseconds: Int64 {
    guard !isStopping else { return Int64.max }
    var due = min(
      pressure.dueNanoseconds(canGive: canGive), calibrationDueNanoseconds, powerDueNanoseconds,
      repositoryDueNanoseconds, retryDueNanoseconds, residents.sequences.dueNanoseconds)
    if !isPuttingToSleep {
      for model in residents.models { due = min(due, model.sleepDueNanoseconds(configuration.keepAlive)) }
    }
    return due
  }

  func keepHouse(_ now: Int64) {
    guard !isStopping else { return }
    govern(now)
    followRepository(now)
    residents.sequences.evict(now)
    retryLoads(now)
    if now >= pressure.dueNanoseconds(canGive: canGive) {
      lookAtPressure(now)
      armNotices()
    }
    calibrate(now)
    guard !isPuttingToSleep else { return }
    let due = residents.models.filter { now >= $0.sleepDueNanoseconds(configuration.keepAlive) }
    guard !due.isEmpty else { return }
    isPuttingToSleep = scheduler.submit(
      SleepJob(due, residents: residents, keepAlive: configuration.keepAlive), limit: Int.max)
  }
}

extension LoadedModel {
  /// When it has been idle for its `keep_alive`, or else for that of the server; no time while it has requests.
  func sleepDueNanoseconds(_ serverKeepAlive: KeepAlive) -> Int64 {
    let residency = residency
    guard residency.state == .awake, residency.pendingCount == 0,
      let nanoseconds = (configuration.keepAlive ?? serverKeepAlive).nanoseconds
    else { return Int64.max }
    return residency.lastUsedNanoseconds + nanoseconds
  }
}
