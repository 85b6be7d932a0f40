/// Decides how much effort is right: from readings, a profile and the time, and nothing else.
///
/// Heat steps the state down at once and back up slowly: one level after 30 s of having been well below the threshold, with
/// twice the patience each time that an upward step is taken back within a minute. The state has one name for 10 s at least;
/// what gets worse in between lowers the effort at once, and the name follows. Several levels down are one change. Between two
/// states' efforts it slides (`EffortTrim`), so that heat is held where it is and the states need not take turns.
public struct PowerGovernor: Sendable {
  /// Readings of a sensor that may fail before it is not believed any more.
  static let missesHeld = 3
  static let dwellNanoseconds: Int64 = 10_000_000_000
  static let patienceNanosecondsMin: Int64 = 30_000_000_000
  static let patienceNanosecondsMax: Int64 = 300_000_000_000
  /// An upward step that holds so long was right.
  static let probationNanoseconds: Int64 = 60_000_000_000
  /// Where nobody names a trip: boards' makers throttle from 80 °C on or later.
  public static let fallbackTrip = 80_000

  private var wanted: PowerProfile
  private var profiles: [PowerProfile]
  private var heat: HeatWatch
  private var battery = BatteryBand()
  private var trim = EffortTrim()

  private var state = ThermalState.nominal
  private var changedAt: Int64?
  /// The worst that was found since the state last changed, while its name could not.
  private var pressing = ThermalState.nominal
  /// Since when the state could be left upwards.
  private var quietSince: Int64?
  private var patience = PowerGovernor.patienceNanosecondsMin
  private var steppedUpAt: Int64?
  private var cause = ""
  private var lastNanoseconds: Int64?

  /// `profiles` are those that a platform's choice and a blind sensor may put in the wanted one's place; the three that come
  /// with the program where they are missing. `fallbackTrip`: see `ZoneHistory`, in thousandths of a degree.
  public init(profile: PowerProfile, profiles: [PowerProfile] = [], fallbackTrip: Int = PowerGovernor.fallbackTrip) {
    wanted = profile
    self.profiles = profiles
    heat = HeatWatch(fallbackTrip: fallbackTrip)
  }

  /// Follows another profile from the next decision on; the state stays.
  public mutating func use(_ profile: PowerProfile, profiles: [PowerProfile]) {
    wanted = profile
    self.profiles = profiles
  }

  public mutating func decide(_ readings: PowerReadings, nowNanoseconds: Int64) -> PowerDecision {
    // A clock that goes back stands still. The bounds keep differences from overflowing.
    let now = max(min(nowNanoseconds, 1 << 62), lastNanoseconds ?? 0)
    lastNanoseconds = now
    var findings = heat.note(readings, at: now)
    battery.note(readings.supply)
    if battery.isCritical {
      findings.raise(to: .critical, "the battery has \(readings.supply.batteryPercent ?? 0) % left")
    }
    // Not to know is no reason for full speed.
    let found = findings.isBlind ? max(findings.state, .fair) : findings.state
    step(to: found, findings, now)
    // Heat alone is what effort can hold: whatever else presses wants the state's own.
    let isHeatAlone = !findings.isBlind && findings.state == ThermalState(headroom: findings.headroom ?? 0)
    trim.note(isHeatAlone ? findings.headroom : nil, at: now)
    return decision(readings, findings)
  }

  // MARK: The state

  private mutating func step(to found: ThermalState, _ findings: HeatWatch.Findings, _ now: Int64) {
    pressing = max(pressing, found)
    let mayChange = changedAt.map { now - $0 >= PowerGovernor.dwellNanoseconds } ?? true
    if pressing > state {
      quietSince = nil
      trim.restart()
      if found >= pressing { cause = findings.cause }
      if mayChange { change(to: pressing, now) }
      return
    }
    guard state > .nominal, found < state, isWellBelow(findings) else {
      quietSince = nil
      return
    }
    let since = quietSince ?? now
    quietSince = since
    if mayChange && now - since >= patience { change(to: state.cooler, now) }
  }

  private func isWellBelow(_ findings: HeatWatch.Findings) -> Bool {
    guard !findings.isBlind || state > .fair else { return false }
    guard let headroom = findings.returnHeadroom else { return true }
    return headroom < ThermalState.thresholds[state.rawValue]
  }

  private mutating func change(to new: ThermalState, _ now: Int64) {
    let held = steppedUpAt.map { now - $0 >= PowerGovernor.probationNanoseconds }
    if new > state {
      if held == false { patience = min(2 * patience, PowerGovernor.patienceNanosecondsMax) }
      steppedUpAt = nil
    } else {
      if held == true { patience = PowerGovernor.patienceNanosecondsMin }
      steppedUpAt = now
    }
    state = new
    pressing = new
    changedAt = now
    quietSince = nil
  }

  // MARK: The effort

  private func decision(_ readings: PowerReadings, _ findings: HeatWatch.Findings) -> PowerDecision {
    // What presses counts before the state may be called so.
    let effective = max(state, pressing)
    let profile = profile(readings, isBlind: findings.isBlind)
    let effort = profile[effective, battery.source]
    let choice = ProcessorChoice(readings, effort)
    let (threadCount, dutyPercent) = slid(choice, effort, profile, effective, readings)
    var reason = effective.name
    reason += ": " + cause(of: effective, findings)
    if battery.source != .mains { reason += "; on battery" + (battery.source == .lowBattery ? ", which is low" : "") }
    if let limit = choice.limit { reason += "; " + limit }
    for cluster in readings.clusters {
      guard let most = cluster.frequencyMax, let cap = cluster.frequencyCap, cap < most else { continue }
      reason += "; clocks are capped at \(cap / 1000) of \(most / 1000) MHz"
      break
    }
    return PowerDecision(
      state: state, source: battery.source, profile: profile.name, threadCount: threadCount,
      processors: choice.processors, dutyPercent: dutyPercent, batchWindowMicros: effort.batchWindowMicros,
      spins: effort.spins, headroom: findings.headroom, reason: reason)
  }

  /// Threads and duty between this state's and the cooler one's, where they are for the same cores.
  private func slid(
    _ choice: ProcessorChoice, _ effort: PowerProfile.Effort, _ profile: PowerProfile, _ state: ThermalState,
    _ readings: PowerReadings
  ) -> (Int, Int) {
    let cooler = profile[state.cooler, battery.source]
    guard state == .fair || state == .serious, cooler.cores == effort.cores else {
      return (choice.threadCount, effort.dutyPercent)
    }
    return trim.slide(
      choice, effort.dutyPercent, to: ProcessorChoice(readings, cooler), cooler.dutyPercent)
  }

  /// What makes it so now; or what did, while that cannot be told yet; or how long it must be cooler.
  private func cause(of effective: ThermalState, _ findings: HeatWatch.Findings) -> String {
    if pressing > state && !cause.isEmpty { return cause }
    let now = calm(findings)
    guard effective > .nominal, effective > findings.state, !findings.isBlind else { return now }
    guard let quietSince, let lastNanoseconds else { return now + ", not cooler for long enough" }
    let seconds = (lastNanoseconds - quietSince) / 1_000_000_000
    return now + ", cooler for \(seconds) of \(patience / 1_000_000_000) s"
  }

  private func calm(_ findings: HeatWatch.Findings) -> String {
    guard findings.cause.isEmpty else { return findings.cause }
    return findings.headroom == nil ? "no thermal sensor" : "cool"
  }

  /// The wanted profile, or a more careful one in its place.
  private func profile(_ readings: PowerReadings, isBlind: Bool) -> PowerProfile {
    var profile = wanted
    if wanted.followsPlatform, let platform = readings.platformProfile { profile = named(platform.rawValue) ?? wanted }
    // Without eyes at most balanced, whatever is wanted.
    if isBlind && profile.name == PowerReadings.PlatformProfile.performance.rawValue {
      profile = named(PowerReadings.PlatformProfile.balanced.rawValue) ?? profile
    }
    return profile
  }

  private func named(_ name: String) -> PowerProfile? {
    profiles.first { $0.name == name } ?? PowerProfile.standard.first { $0.name == name }
  }
}

/// Where the power comes from, with bands that are wider than a battery's jitter.
struct BatteryBand: Sendable {
  private(set) var source = PowerSource.mains
  private(set) var isCritical = false

  static let lowPercent = 20
  static let enoughPercent = 25
  static let criticalPercent = 7

  mutating func note(_ supply: PowerReadings.PowerSupply) {
    guard supply.isDischarging || supply.isOnMains == false && supply.batteryPercent != nil else {
      (source, isCritical) = (.mains, false)
      return
    }
    let wasLow = source == .lowBattery
    guard let percent = supply.batteryPercent else {
      source = .battery
      return
    }
    let isLow = percent <= BatteryBand.lowPercent || wasLow && percent < BatteryBand.enoughPercent
    source = isLow ? .lowBattery : .battery
    isCritical = percent <= BatteryBand.criticalPercent
  }
}
