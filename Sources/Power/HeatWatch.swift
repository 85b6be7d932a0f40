/// What all signs of heat say together.
struct HeatWatch: Sendable {
  private var zones: [ZoneHistory] = []
  /// The least cooling of each device and the greatest frequency of each cluster that have been seen: more than the least was
  /// set under our eyes.
  private var coolings: [(number: Int, least: Int, last: Int)] = []
  private var fallbackTrip: Int

  /// The worst of the signs.
  struct Findings: Sendable {
    var state = ThermalState.nominal
    /// Of the zone nearest to its trip; nil: no zone can be read.
    var headroom: Double?
    /// Whether a zone that was there, or is there, says nothing.
    var isBlind = false
    /// Whether the state could be left, had it been `state`.
    var cause = ""
    /// Headroom less its hysteresis' margin: below a state's threshold it may be left.
    var returnHeadroom: Double?
  }

  init(fallbackTrip: Int) { self.fallbackTrip = fallbackTrip }

  /// Zones that have not been seen for so many readings, while others speak, are forgotten.
  private static let forgottenCount = 60

  mutating func note(_ readings: PowerReadings, at now: Int64) -> Findings {
    noteZones(readings, now)
    var findings = Findings()
    for zone in zones { HeatWatch.add(zone, to: &findings) }
    addCooling(readings, to: &findings)
    addFirmware(readings.firmware, to: &findings)
    addBattery(readings.supply, to: &findings)
    if findings.isBlind && findings.state == .nominal {
      findings.cause = "a thermal sensor cannot be read"
    }
    return findings
  }

  private mutating func noteZones(_ readings: PowerReadings, _ now: Int64) {
    for zone in readings.zones where ZoneHistory.matters(zone) {
      if let index = zones.firstIndex(where: { $0.number == zone.number && $0.zone.type == zone.type }) {
        zones[index].note(zone, fallbackTrip: fallbackTrip, at: now)
      } else {
        zones.append(ZoneHistory(zone, fallbackTrip: fallbackTrip, at: now))
      }
    }
    for index in zones.indices {
      let isThere = readings.zones.contains { $0.number == zones[index].number && $0.type == zones[index].zone.type }
      if !isThere { zones[index].miss() }
    }
    if zones.contains(where: { $0.missedCount == 0 }) {
      zones.removeAll { zone in
        zone.missedCount > HeatWatch.forgottenCount && !readings.zones.contains { $0.number == zone.number }
      }
    }
  }

  private static func add(_ zone: ZoneHistory, to findings: inout Findings) {
    guard zone.missedCount <= PowerGovernor.missesHeld else {
      findings.isBlind = true
      return
    }
    let headroom = zone.headroom
    findings.returnHeadroom = max(findings.returnHeadroom ?? -100, headroom + zone.hysteresis)
    if headroom > findings.headroom ?? -100 {
      findings.headroom = headroom
      if findings.state <= ThermalState(headroom: headroom) { findings.cause = cause(zone) }
    }
    findings.raise(to: ThermalState(headroom: headroom), cause(zone))
    findings.raise(to: zone.urgency, cause(zone))
  }

  private static func cause(_ zone: ZoneHistory) -> String {
    let distance = Double(zone.trip) - zone.smoothed
    let side = distance >= 0 ? "below" : "above"
    let rise = zone.rise >= 500 ? ", rising \(degrees(zone.rise)) in 10 s" : ""
    let trip = "\(side) its \(zone.trip / 1000) °C trip"
    return "\(zone.zone.type) \(degrees(zone.smoothed)) °C, \(degrees(abs(distance))) \(trip)\(rise)"
  }

  /// Thousandths as degrees with one digit.
  static func degrees(_ milli: Double) -> String {
    let tenths = Int((milli / 100).rounded())
    return "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
  }

  private mutating func addCooling(_ readings: PowerReadings, to findings: inout Findings) {
    for device in readings.coolingDevices where device.takesSpeed {
      let state = max(0, device.state)
      guard let index = coolings.firstIndex(where: { $0.number == device.number }) else {
        coolings.append((device.number, state, state))
        continue
      }
      let cause = "\(device.type) takes speed away (\(state) of \(device.stateMax))"
      if state > coolings[index].last {
        findings.raise(to: .serious, cause)
      } else if state > coolings[index].least {
        findings.raise(to: .fair, cause)
      }
      coolings[index].least = min(coolings[index].least, state)
      coolings[index].last = state
    }
    coolings.removeAll { cooling in !readings.coolingDevices.contains { $0.number == cooling.number } }
  }

  private func addFirmware(_ firmware: PowerReadings.FirmwareThrottle, to findings: inout Findings) {
    if firmware.takesSpeed { findings.raise(to: .serious, "the firmware takes speed away") }
    if firmware.isUndervolted { findings.raise(to: .fair, "the supply's voltage is low") }
  }

  /// Lithium cells age fast above 45 °C.
  private func addBattery(_ supply: PowerReadings.PowerSupply, to findings: inout Findings) {
    guard let tenths = supply.batteryTemperature, (450...1000).contains(tenths) else { return }
    findings.raise(to: tenths >= 500 ? .critical : .serious, "the battery has \(tenths / 10) °C")
  }
}

extension HeatWatch.Findings {
  mutating func raise(to other: ThermalState, _ cause: String) {
    guard other > state else { return }
    state = other
    self.cause = cause
  }
}

extension ThermalState {
  /// From which headroom on a state holds.
  static let thresholds = [-Double.infinity, 0.70, 0.85, 1.0]

  init(headroom: Double) {
    self = .nominal
    for state in ThermalState.allCases where headroom >= ThermalState.thresholds[state.rawValue] { self = state }
  }

  var cooler: ThermalState { ThermalState(rawValue: rawValue - 1) ?? .nominal }
}
