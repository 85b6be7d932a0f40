import System

/// The kernel's thermal zones and what it cools with.
struct ThermalSensors {
  /// Thousandths of a degree that can be true; others are a sensor's way to say that it has failed.
  private static let temperatures = -100_000...250_000
  /// Trips that can be meant; others are turned off.
  private static let trips = 1...250_000
  private static let tripCountMax = 32

  private struct Zone {
    let path: String
    var zone: PowerReadings.ThermalZone
    var hasBeenRead: Bool

    /// Whether no temperature of it is a sensor that fails, and not a part that is off: a chip's unused engines and radios that
    /// are off cannot be read either. `isAlone`: no other zone can be read.
    func fails(isAlone: Bool) -> Bool {
      if isAlone { return hasBeenRead || zone.passiveTrip != nil || zone.hotTrip != nil || zone.criticalTrip != nil }
      return hasBeenRead && !SensorFile.isOff(path, "/temp")
    }
  }

  private var zones: [Zone] = []
  private var coolingDevices: [(path: String, device: PowerReadings.CoolingDevice)] = []

  var isEmpty: Bool { zones.isEmpty && coolingDevices.isEmpty }

  /// Finds zones, their trips and cooling devices anew.
  mutating func scan(root: String) {
    let known = zones
    let directory = root + "/sys/class/thermal"
    zones = SensorFile.numbered("thermal_zone", in: directory).map { number, path in
      var zone = PowerReadings.ThermalZone(
        number: number, type: SensorFile.text(path, "/type") ?? "unknown", temperature: nil)
      ThermalSensors.readTrips(of: &zone, path)
      let before = known.first { $0.zone.number == number && $0.zone.type == zone.type }
      return Zone(path: path, zone: zone, hasBeenRead: before?.hasBeenRead ?? false)
    }
    coolingDevices = SensorFile.numbered("cooling_device", in: directory).map { number, path in
      let stateMax = SensorFile.number(path, "/max_state", in: 0...1_000_000) ?? 0
      let type = SensorFile.text(path, "/type") ?? "unknown"
      return (path, PowerReadings.CoolingDevice(number: number, type: type, state: 0, stateMax: stateMax))
    }
  }

  private static func readTrips(of zone: inout PowerReadings.ThermalZone, _ path: String) {
    for number in 0..<tripCountMax {
      let trip = path + "/trip_point_\(number)_"
      guard let type = SensorFile.text(trip, "type") else { return }
      guard let temperature = SensorFile.number(trip, "temp", in: trips) else { continue }
      switch type {
      case "passive":
        if let known = zone.passiveTrip, known <= temperature { continue }
        zone.passiveTrip = temperature
        zone.hysteresis = SensorFile.number(trip, "hyst", in: 0...100_000) ?? 0
      case "hot": zone.hotTrip = min(zone.hotTrip ?? temperature, temperature)
      case "critical": zone.criticalTrip = min(zone.criticalTrip ?? temperature, temperature)
      default: break
      }
    }
  }

  /// Reads temperatures and states. Returns whether all that was found is still there.
  mutating func read(into readings: inout PowerReadings) -> Bool {
    var isWhole = true
    readings.zones = []
    for index in zones.indices {
      zones[index].zone.temperature = SensorFile.number(zones[index].path, "/temp", in: ThermalSensors.temperatures)
      if zones[index].zone.temperature != nil {
        zones[index].hasBeenRead = true
      } else if !SensorFile.exists(zones[index].path) {
        isWhole = false
      }
    }
    let isAlone = !zones.contains { $0.zone.temperature != nil }
    for zone in zones where zone.zone.temperature != nil || zone.fails(isAlone: isAlone) {
      readings.zones.append(zone.zone)
    }
    readings.coolingDevices = []
    for (path, device) in coolingDevices {
      var device = device
      // Some say −1 where they do nothing.
      if let state = SensorFile.number(path, "/cur_state", in: -1...1_000_000) {
        device.state = max(0, state)
        readings.coolingDevices.append(device)
      } else if !SensorFile.exists(path) {
        isWhole = false
      }
    }
    return isWhole
  }
}
