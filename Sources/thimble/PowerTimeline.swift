import Devices
import Power
import System

/// Decisions over time: every change, and as many points for a plot as fit, however long it takes.
struct PowerTimeline {
  /// Changes that are kept; more are only counted.
  private static let changeCountMax = 2000
  /// Points that are kept: with so many every two are put together.
  private static let pointCountMax = 2048

  struct Change {
    let milliseconds: Int
    let temperature: Int?
    let decision: PowerDecision
  }

  struct Point {
    var milliseconds: Int
    /// The hottest zone's, in thousandths of a degree.
    var temperature: Int?
    var state: ThermalState
    var threadCount: Int
    var dutyPercent: Int

    /// What is worse of two.
    func merged(with other: Point) -> Point {
      Point(
        milliseconds: milliseconds,
        temperature: temperature.map { max($0, other.temperature ?? $0) } ?? other.temperature,
        state: max(state, other.state), threadCount: min(threadCount, other.threadCount),
        dutyPercent: min(dutyPercent, other.dutyPercent))
    }
  }

  private(set) var changes: [Change] = []
  private(set) var changeCount = 0
  private(set) var points: [Point] = []
  private(set) var sampleCount = 0
  /// The last sample's.
  private(set) var milliseconds = 0
  /// The least of all zones.
  private(set) var passiveTrip: Int?
  /// How long each state lasted, by its raw value.
  private(set) var stateMilliseconds = [Int](repeating: 0, count: ThermalState.allCases.count)
  private var last: PowerDecision?
  private var samplesPerPoint = 1

  mutating func add(_ readings: PowerReadings, _ decision: PowerDecision, milliseconds: Int) {
    if let last { stateMilliseconds[last.state.rawValue] += max(0, milliseconds - self.milliseconds) }
    self.milliseconds = milliseconds
    let temperature = readings.zones.compactMap { $0.temperature }.max()
    for zone in readings.zones {
      if let trip = zone.passiveTrip { passiveTrip = min(passiveTrip ?? trip, trip) }
    }
    if last.map({ PowerTimeline.isChange($0, decision) }) ?? true {
      changeCount += 1
      if changes.count < PowerTimeline.changeCountMax {
        changes.append(Change(milliseconds: milliseconds, temperature: temperature, decision: decision))
      }
    }
    last = decision
    let point = Point(
      milliseconds: milliseconds, temperature: temperature, state: decision.state, threadCount: decision.threadCount,
      dutyPercent: decision.dutyPercent)
    if sampleCount % samplesPerPoint == 0 {
      points.append(point)
    } else {
      points[points.count - 1] = points[points.count - 1].merged(with: point)
    }
    sampleCount += 1
    if points.count > PowerTimeline.pointCountMax, sampleCount % (2 * samplesPerPoint) == 0 {
      points = stride(from: 0, to: points.count, by: 2).map {
        $0 + 1 < points.count ? points[$0].merged(with: points[$0 + 1]) : points[$0]
      }
      samplesPerPoint *= 2
    }
  }

  /// Whether something else is to be done; the reason and the headroom move all the time.
  static func isChange(_ left: PowerDecision, _ right: PowerDecision) -> Bool {
    var same = right
    same.reason = left.reason
    same.headroom = left.headroom
    return left != same
  }

  // MARK: Text

  static func effort(_ decision: PowerDecision) -> String {
    var text = "\(decision.threadCount) thread" + (decision.threadCount == 1 ? "" : "s")
    if !decision.processors.isEmpty { text += " on " + PowerTable.list(decision.processors.sorted()) }
    if decision.dutyPercent != 100 { text += ", \(decision.dutyPercent) % of the time" }
    if decision.batchWindowMicros != 0 { text += ", \(decision.batchWindowMicros) µs batches" }
    return decision.spins ? text : text + ", parks"
  }

  /// One line that says all of it.
  static func text(_ decision: PowerDecision) -> String {
    decision.state.name + " on " + decision.source.name + ", " + decision.profile + ": " + effort(decision) + ": "
      + decision.reason
  }

  static let titles = ["time", "heat", "state", "source", "profile", "effort", "reason"]

  static func cells(_ change: Change) -> [String] {
    let decision = change.decision
    return [
      time(change.milliseconds), change.temperature.map { PowerTable.degrees($0) } ?? "", decision.state.name,
      decision.source.name, decision.profile, effort(decision), decision.reason,
    ]
  }

  /// `1:02:03.4`.
  static func time(_ milliseconds: Int) -> String {
    let (minutes, rest) = milliseconds.quotientAndRemainder(dividingBy: 60_000)
    let (hours, minute) = minutes.quotientAndRemainder(dividingBy: 60)
    func two(_ number: Int) -> String { (number < 10 ? "0" : "") + "\(number)" }
    return (hours > 0 ? "\(hours):" + two(minute) : "\(minute)") + ":" + two(rest / 1000) + ".\(rest % 1000 / 100)"
  }

  var summary: String {
    "\(sampleCount) readings, " + PowerTimeline.time(milliseconds) + ", \(changeCount - 1) changes; " + shares
  }

  /// `nominal 95 %, fair 5 %` of the time.
  private var shares: String {
    var text = ""
    for state in ThermalState.allCases where stateMilliseconds[state.rawValue] > 0 {
      text += (text.isEmpty ? "" : ", ") + state.name + " "
      text += Console.fixed(100 * Double(stateMilliseconds[state.rawValue]) / Double(max(1, milliseconds)), 1) + " %"
    }
    return text.isEmpty ? "one moment" : text
  }
}
