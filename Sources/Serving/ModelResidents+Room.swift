import Memory
import Runtime
import System

/// Who gives up what: for others that need memory, and under pressure. On the worker's thread.
extension ModelResidents {
  /// Tries of one need: each but the last has found that somebody gave something up.
  var triesMax: Int { 2 * models.count + 4 }

  /// Runs `body` again as long as it is refused and somebody can give up more; `sparing` keeps its session.
  func findingRoom<Result>(
    sparing: LoadedModel?, holding: Int = 0, _ body: () throws(MemoryError) -> Result
  ) throws(ServingError) -> Result {
    var triesLeft = triesMax
    while true {
      do throws(MemoryError) { return try body() } catch {
        triesLeft -= 1
        guard triesLeft > 0, makeRoom(for: error, sparing: sparing) else {
          throw refusal(error, sparing: sparing, holding: holding)
        }
      }
    }
  }

  /// After a refusal: gives up as much as was missing, of results kept and spare buffers, then caches of the models used least, then whole
  /// models, the longest idle first. Where all of that would not do, nobody gives up anything. Returns whether another try
  /// is worth it.
  func makeRoom(for error: MemoryError, sparing: LoadedModel?) -> Bool {
    var missing: Int
    switch error {
    // What is available now says little: whoever was refused may have given back what it held by then.
    case .doesNotFit(let needed, let available, _): missing = needed - min(needed, available)
    // The budget has it and the machine has not.
    case .refusedByKernel(let needed): missing = needed
    case .refusedByDevice: return false
    }
    let before = budget.reservedByteCount
    responses.trim()
    buffers.trim()
    giveUpBatches()
    missing -= max(0, before - budget.reservedByteCount)
    guard missing > 0 else { return true }
    return missing <= reclaimableByteCount(sparing: sparing) && giveUp(missing, sparing: sparing)
  }

  /// Keeps room for one inference at a time.
  func giveUpBatches() {
    guard hasRoomForBatches else { return }
    for model in models { model.session?.giveUpRoom() }
    workspace.trim()
    hasRoomForBatches = false
  }

  /// Makes room for at most `wanted` inferences of a model at once, at the expense of the weights that it keeps: what passes is
  /// brought once for all of them. Returns for how many there is. What was written of inputs is lost.
  func makeRoom(for wanted: Int, of model: LoadedModel, _ session: Session) -> Int {
    guard rung < .unbatched else { return 1 }
    hasRoomForBatches = true
    let count = session.makeRoom(for: wanted)
    guard count < wanted, session.isStreaming else { return count }
    let residency = model.residency
    let missing = session.roomByteCount(wanted) - session.roomByteCount(count)
    resize(model, to: max(residency.cacheByteCountMin, residency.cacheByteCount - missing))
    return session.makeRoom(for: wanted)
  }

  private func giveUp(_ byteCount: Int, sparing: LoadedModel?) -> Bool {
    let models = models
    let now = Clock.nowNanoseconds
    let before = budget.reservedByteCount
    var missing: Int { byteCount - (before - budget.reservedByteCount) }
    var hasGiven = false
    // What no longer stays needs room to pass: a smaller cache may give back less than it loses.
    for _ in 0...models.count where missing > 0 {
      let sizes = CacheShares.shrunk(
        models.map { $0.residency.shares(at: now) }, by: missing, sparing: models.firstIndex { $0 === sparing })
      guard apply(sizes, to: models) else { break }
      hasGiven = true
    }
    for victim in sleepers(models.filter { $0 !== sparing }) where missing > 0 {
      sleep(victim)
      hasGiven = true
    }
    return hasGiven
  }

  /// Models in the order in which they are put to sleep: first those that nobody waits for, of them the longest idle.
  private func sleepers(_ models: [LoadedModel]) -> [LoadedModel] {
    models.map { (model: $0, residency: $0.residency) }.sorted {
      let (a, b) = ($0.residency, $1.residency)
      if (a.pendingCount == 0) != (b.pendingCount == 0) { return a.pendingCount == 0 }
      return a.lastUsedNanoseconds < b.lastUsedNanoseconds
    }.map { $0.model }
  }

  /// What a refusal means for a request: whether it would fit if no other request held memory and every other model slept. The
  /// request itself holds `holding` bytes while it asks for more.
  func refusal(_ error: MemoryError, sparing: LoadedModel?, holding: Int = 0) -> ServingError {
    // Else it is the kernel's own shortage.
    guard case .doesNotFit(let step, let left, _) = error else { return .busyMemory(error) }
    // What had been taken on the way, and is given back, would be needed again.
    let (needed, isHuge) = step.addingReportingOverflow(max(0, budget.availableByteCount - left))
    guard !isHuge else { return .tooLarge(error) }
    let lasting = lastingByteCount(sparing: sparing, holding: holding)
    let available = max(0, budget.limitByteCount - lasting)
    if needed <= available { return .busyMemory(error) }
    let (least, overflow) = lasting.addingReportingOverflow(needed)
    return .tooLarge(.doesNotFit(needed: needed, available: available, leastBudget: overflow ? Int.max : least))
  }

  /// Bytes of the budget that stay held when every other model sleeps, for one client whose request holds `holding` bytes: its
  /// receive buffer and the one that waits for the next client are all the buffers then.
  func lastingByteCount(sparing: LoadedModel?, holding: Int) -> Int {
    max(
      0,
      budget.reservedByteCount - budget.reservedByteCount(for: .buffers) - responses.figures.byteCount
        + 2 * ServingLimits.receiveBufferBytes + holding - reclaimableByteCount(sparing: sparing))
  }

  // MARK: Pressure

  /// Whether a rung asks something of the models that they have not done.
  func hasLeftToGive(at rung: PressureLadder.Rung, now: Int64) -> Bool {
    models.contains { wanted(of: $0.residency, at: rung, now) != .nothing }
      || rung >= .unbatched && hasRoomForBatches
  }

  /// Does what the rung asks. Returns the bytes given back.
  func give(at rung: PressureLadder.Rung, now: Int64) -> Int {
    let before = budget.reservedByteCount
    if rung >= .unbatched { giveUpBatches() }
    for model in models {
      switch wanted(of: model.residency, at: rung, now) {
      case .nothing: break
      case .cache: resize(model, to: 0)
      case .sleep: sleep(model)
      }
    }
    return max(0, before - budget.reservedByteCount)
  }

  private enum Wanted { case nothing, cache, sleep }

  private func wanted(of residency: LoadedModel.Residency, at rung: PressureLadder.Rung, _ now: Int64) -> Wanted {
    let isIdle = residency.isIdle(since: now, for: ServingLimits.pressureIdleNanoseconds)
    if rung >= .refuse && residency.pendingCount == 0 || rung >= .sleep && isIdle { return .sleep }
    if rung >= .streamed || rung >= .idleCaches && isIdle {
      return residency.cacheByteCount > residency.cacheByteCountMin ? .cache : .nothing
    }
    return .nothing
  }
}
