/// What one thermal zone has said lately: smoothed, with its trend. Temperatures in thousandths of a degree Celsius.
struct ZoneHistory: Sendable {
  let number: Int
  private(set) var zone: PowerReadings.ThermalZone
  /// The passive trip, or what stands in for one.
  private(set) var trip = 0
  /// Moving average over some 5 s.
  private(set) var smoothed: Double = 0
  /// Readings in a row that failed.
  private(set) var missedCount = 0
  private var lastNanoseconds: Int64 = 0
  /// The average at some times of the last 10 s, oldest first.
  private var samples: [(nanoseconds: Int64, smoothed: Double)] = []

  private static let smoothingSeconds = 5.0
  private static let trendSeconds = 10.0
  /// A longer gap, such as a suspended machine, leaves no trend to speak of.
  private static let gapSecondsMax = 30.0
  /// What the trend may add at most: a sensor's leap is no trend.
  private static let riseMax = 10_000.0
  /// Temperatures that no running machine has are failures of the sensor.
  private static let plausible = -40_000...150_000
  /// Trips that make sense; others are placeholders of the firmware.
  private static let plausibleTrips = 40_000...125_000
  /// One and the same for all zones: where a headroom of 0 is.
  static let span = 25_000.0

  init(_ zone: PowerReadings.ThermalZone, fallbackTrip: Int, at now: Int64) {
    number = zone.number
    self.zone = zone
    smoothed = Double(zone.temperature ?? 0)
    lastNanoseconds = now
    // A zone that has never said anything sensible is not believed from the start.
    missedCount = PowerGovernor.missesHeld + 1
    note(zone, fallbackTrip: fallbackTrip, at: now)
  }

  /// Whether a zone tells how hot the processors are: the kernel takes speed away at its trip, or it is named for them.
  static func matters(_ zone: PowerReadings.ThermalZone) -> Bool {
    if let trip = zone.passiveTrip, plausibleTrips.contains(trip) { return true }
    let names: [StaticString] = ["cpu", "soc", "core", "pkg", "gpu", "tj", "acpitz", "CPU", "SOC", "GPU", "package"]
    return names.contains { name in contains(zone.type, name) }
  }

  private static func contains(_ text: String, _ part: StaticString) -> Bool {
    let (text, count) = (Array(text.utf8), part.utf8CodeUnitCount)
    guard text.count >= count else { return false }
    return (0...text.count - count).contains { start in
      (0..<count).allSatisfy { text[start + $0] == part.utf8Start[$0] }
    }
  }

  /// The zone's passive trip; else what is 10 °C below hot or 20 °C below critical; else the fallback.
  private static func trip(of zone: PowerReadings.ThermalZone, fallback: Int) -> Int {
    for candidate in [
      zone.passiveTrip, zone.hotTrip.map { $0 &- 10_000 }, zone.criticalTrip.map { $0 &- 20_000 },
    ] {
      if let candidate, plausibleTrips.contains(candidate) { return candidate }
    }
    return fallback
  }

  mutating func note(_ zone: PowerReadings.ThermalZone, fallbackTrip: Int, at now: Int64) {
    self.zone = zone
    trip = ZoneHistory.trip(of: zone, fallback: fallbackTrip)
    guard let temperature = zone.temperature, ZoneHistory.plausible.contains(temperature) else { return miss() }
    let seconds = Double(max(0, now - lastNanoseconds)) / 1e9
    if missedCount > PowerGovernor.missesHeld || seconds > ZoneHistory.gapSecondsMax {
      smoothed = Double(temperature)
      samples = []
    } else {
      smoothed += (Double(temperature) - smoothed) * seconds / (ZoneHistory.smoothingSeconds + seconds)
    }
    missedCount = 0
    lastNanoseconds = now
    if samples.last.map({ now - $0.nanoseconds >= 1_000_000_000 }) ?? true { samples.append((now, smoothed)) }
    let oldest = now - Int64(ZoneHistory.trendSeconds * 1e9)
    samples.removeAll { $0.nanoseconds < oldest }
  }

  /// The zone did not answer, or is gone.
  mutating func miss() { missedCount = min(missedCount + 1, 1 << 20) }

  /// What it will have risen by in 10 s if it goes on; not below 0.
  var rise: Double {
    guard let first = samples.first, let last = samples.last else { return 0 }
    let seconds = Double(last.nanoseconds - first.nanoseconds) / 1e9
    guard seconds >= 2 else { return 0 }
    return min(ZoneHistory.riseMax, max(0, (last.smoothed - first.smoothed) / seconds * ZoneHistory.trendSeconds))
  }

  /// 0 is 25 °C below the trip, 1 is at it.
  var headroom: Double { (smoothed + rise - Double(trip)) / ZoneHistory.span + 1 }

  /// By how much headroom must have fallen below a state's threshold to leave it.
  var hysteresis: Double {
    Double(max(4_000, min(zone.hysteresis, 15_000))) / ZoneHistory.span
  }

  /// What the last reading alone says, whatever the average: at a trip there is no time.
  var urgency: ThermalState {
    guard missedCount == 0, let temperature = zone.temperature else { return .nominal }
    if let hot = zone.hotTrip, hot > trip, temperature >= hot { return .critical }
    if let critical = zone.criticalTrip, critical > trip, temperature >= critical { return .critical }
    return temperature >= trip ? .serious : .nominal
  }
}
