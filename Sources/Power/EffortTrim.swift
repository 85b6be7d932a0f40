/// Holds the heat between two states: slides the effort between a state's and the cooler one's, so that neither is left in turns.
///
/// A proportional and integral controller on headroom, whose target lies below the threshold of the serious state. The cooler
/// state's effort is the most that it gives, the state's own the least, so that a profile's promises hold.
struct EffortTrim: Sendable {
  /// 5.5 °C below the trip.
  static let targetHeadroom = 0.78
  /// Of the range for each unit of headroom (25 °C), and for each of those a second.
  private static let proportional = 4.0
  private static let integral = 0.01
  /// A longer gap tells nothing about the time between.
  private static let secondsMax = 5.0
  /// Steps that are worth a change; what a step up is at most, and how long it must wait.
  private static let percentStep = 5
  private static let percentRaise = 15
  private static let dwellNanoseconds: Int64 = 10_000_000_000

  /// 0: the state's own effort; 1: the cooler state's.
  private var sum = 0.0
  private var lastNanoseconds: Int64?
  private var raisedAt: Int64?
  private(set) var percent = 0

  /// Begins with the state's own effort.
  mutating func restart() { self = EffortTrim() }

  /// `headroom`: nil where nobody knows; then the state's own effort counts.
  mutating func note(_ headroom: Double?, at now: Int64) {
    guard let headroom else { return restart() }
    let seconds = min(EffortTrim.secondsMax, Double(now - (lastNanoseconds ?? now)) / 1e9)
    lastNanoseconds = now
    let error = EffortTrim.targetHeadroom - headroom
    sum = min(1, max(0, sum + EffortTrim.integral * error * seconds))
    let isNearTrip = headroom >= ThermalState.thresholds[ThermalState.serious.rawValue]
    let wanted = isNearTrip ? 0 : Int(100 * min(1, max(0, sum + EffortTrim.proportional * error)))
    if wanted <= percent - EffortTrim.percentStep || wanted == 0 {
      percent = wanted
    }
    let since = raisedAt ?? now
    raisedAt = since
    guard wanted >= percent + EffortTrim.percentStep, now - since >= EffortTrim.dwellNanoseconds else { return }
    percent = min(wanted, percent + EffortTrim.percentRaise)
    raisedAt = now
  }

  /// The effort between two: as many threads as the share of the processors' time needs, and pauses for the rest.
  func slide(_ own: ProcessorChoice, _ ownDuty: Int, to cooler: ProcessorChoice, _ coolerDuty: Int) -> (Int, Int) {
    let least = own.threadCount * ownDuty
    let most = cooler.threadCount * coolerDuty
    guard percent > 0, most > least else { return (own.threadCount, ownDuty) }
    let share = least + (most - least) * percent / 100
    let threads = min(cooler.threadCount, max(own.threadCount, (share + 99) / 100))
    return (threads, min(100, max(1, share / threads)))
  }
}
