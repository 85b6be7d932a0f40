import System

/// Batteries and mains (`power_supply`).
struct SupplySensors {
  private static let microvolts: ClosedRange<Int64> = 0...1_000_000_000
  private static let microamperes: ClosedRange<Int64> = 0...1_000_000_000
  private static let microwatts: ClosedRange<Int64> = 0...1_000_000_000

  private var batteries: [String] = []
  private var mains: [String] = []

  var isEmpty: Bool { batteries.isEmpty && mains.isEmpty }

  mutating func scan(root: String) {
    batteries = []
    mains = []
    let directory = root + "/sys/class/power_supply"
    for name in SensorFile.names(directory) {
      let path = directory + "/" + name
      // A mouse's battery, or a port that gives power, is not this machine's.
      guard let type = SensorFile.text(path, "/type"), SensorFile.text(path, "/scope") != "Device" else { continue }
      switch type {
      case "Battery", "UPS": batteries.append(path)
      case "Mains", "Wireless": mains.append(path)
      default: if type.utf8.starts(with: "USB".utf8) { mains.append(path) }
      }
    }
  }

  func read() -> PowerReadings.PowerSupply {
    var supply = PowerReadings.PowerSupply()
    for path in mains {
      guard let online = SensorFile.number(path, "/online", in: 0...9) else { continue }
      supply.isOnMains = supply.isOnMains == true || online > 0
    }
    var percents: [Int] = []
    for path in batteries where SensorFile.number(path, "/present") != 0 {
      if let percent = SensorFile.number(path, "/capacity", in: 0...100) { percents.append(percent) }
      if let tenths = SensorFile.number(path, "/temp", in: -1000...2000) {
        supply.batteryTemperature = max(supply.batteryTemperature ?? tenths, tenths)
      }
      let status = SensorFile.text(path, "/status")
      guard status == "Discharging" || status == "Unknown" && supply.isOnMains == false else { continue }
      supply.isDischarging = true
      if let power = SupplySensors.power(path) {
        supply.dischargeMicrowatts = (supply.dischargeMicrowatts ?? 0) + power
      }
    }
    if !percents.isEmpty { supply.batteryPercent = percents.reduce(0, +) / percents.count }
    return supply
  }

  /// What the battery gives: some vendors count what goes out below zero.
  private static func power(_ path: String) -> Int64? {
    func magnitude(_ name: String, _ range: ClosedRange<Int64>) -> Int64? {
      guard let value = SensorFile.number(path, name), value > Int64.min, range.contains(abs(value)) else {
        return nil
      }
      return abs(value)
    }
    if let power = magnitude("/power_now", microwatts) { return power }
    guard let current = magnitude("/current_now", microamperes), let voltage = magnitude("/voltage_now", microvolts)
    else { return nil }
    // At most 10^18.
    let power = current * voltage / 1_000_000
    return microwatts.contains(power) ? power : nil
  }
}
