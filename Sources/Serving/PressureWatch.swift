import Memory
import System

/// The ladder, what feeds it, and when it wants to be looked at. Owned by the event loop.
final class PressureWatch {
  private(set) var ladder = PressureLadder()
  let sources: PressureSources
  /// Steps by the rung that was reached.
  private(set) var stepsDown = PressureLadder.Rung.allCases.map { _ in 0 }
  private(set) var stepsUp = PressureLadder.Rung.allCases.map { _ in 0 }
  /// Whether the notices are watched: after one has come they rest for a while, as some come very often.
  var isArmed = false
  private var lastLookNanoseconds: Int64

  /// A step, and what led to it.
  struct Change {
    let step: PressureLadder.Step
    let cause: String
  }

  init(_ sources: PressureSources, now: Int64 = Clock.nowNanoseconds) {
    self.sources = sources
    lastLookNanoseconds = now
  }

  var rung: PressureLadder.Rung { ladder.rung }

  /// How often figures are read while no notice comes; seldom where stalls are reported without asking.
  private var intervalNanoseconds: Int64 {
    isArmed && sources.hasStallTrigger && rung == .none
      ? ServingLimits.pressureIntervalNanosecondsMax : ServingLimits.pressureIntervalNanosecondsMin
  }

  /// When to look next. `canGive`: whether there is something that could be given up; without it there is nothing to look
  /// for but the next step up.
  func dueNanoseconds(canGive: Bool) -> Int64 {
    canGive ? min(lastLookNanoseconds + intervalNanoseconds, ladder.dueNanoseconds) : ladder.dueNanoseconds
  }

  /// Reads every source and takes the step that follows.
  func look(_ now: Int64) -> Change? {
    lastLookNanoseconds = now
    return note(sources.read(), now)
  }

  func note(_ readings: PressureReadings, _ now: Int64) -> Change? {
    let (severity, cause) = readings.worst
    guard let step = ladder.note(severity, at: now) else { return nil }
    if step.isDown { stepsDown[step.to.rawValue] += 1 } else { stepsUp[step.to.rawValue] += 1 }
    return Change(step: step, cause: cause ?? "quiet for \(ladder.quietNanoseconds / 1_000_000_000) s")
  }

  /// Until new inferences may be taken again.
  func retryAfterSeconds(_ now: Int64) -> Int {
    let due = ladder.dueNanoseconds
    guard due < Int64.max else { return ServingLimits.retryAfterSeconds }
    return max(ServingLimits.retryAfterSeconds, Int((due - now + 999_999_999) / 1_000_000_000))
  }
}
