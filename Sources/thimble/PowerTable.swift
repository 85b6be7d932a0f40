import Power
import System

/// Readings in lines for people: what is measured, its name, its value.
enum PowerTable {
  /// A line's three columns.
  private struct Row {
    let group: String
    let name: String
    var text: String

    /// Adds what there is.
    @inline(never)
    mutating func add(_ before: String, _ value: String?, _ after: String = "") {
      if let value { text += before + value + after }
    }
  }

  @inline(never)
  private static func add(_ group: String, _ name: String, _ text: String, to rows: inout [Row]) {
    rows.append(Row(group: group, name: name, text: text))
  }

  static func lines(_ readings: PowerReadings) -> [String] {
    var rows = heatRows(readings) + processorRows(readings)
    supplyRows(readings.supply, &rows)
    let firmware = readings.firmware
    var said = Row(group: "firmware", name: "says", text: "")
    said.add("undervolted ", firmware.isUndervolted ? "" : nil)
    said.add("capped ", firmware.isCapped ? "" : nil)
    said.add("throttled ", firmware.isThrottled ? "" : nil)
    said.add("soft limit", firmware.isSoftLimited ? "" : nil)
    if !said.text.isEmpty { rows.append(said) }
    if let mode = readings.boardMode {
      var row = Row(group: "board", name: "mode", text: mode.name.isEmpty ? "\(mode.number)" : mode.name)
      row.add(", ", mode.coreCount.map { "\($0)" }, " cores")
      row.add(", ", mode.frequencyCap.map { "\($0 / 1000)" }, " MHz")
      rows.append(row)
    }
    if let profile = readings.platformProfile {
      add("platform", "profile", profile.rawValue, to: &rows)
    }
    if let energy = readings.energyMicrojoules {
      add("energy", "processors", Console.fixed(Double(energy) / 1e6, 1) + " J", to: &rows)
    }
    let width = rows.reduce(0) { max($0, $1.name.count) } + 2
    var lines: [String] = []
    for index in rows.indices {
      let isSame = index > 0 && rows[index - 1].group == rows[index].group
      lines.append(
        TextColumn.left(isSame ? "" : rows[index].group, 12) + TextColumn.left(rows[index].name, width)
          + rows[index].text)
    }
    return lines
  }

  private static func heatRows(_ readings: PowerReadings) -> [Row] {
    var rows: [Row] = []
    for zone in readings.zones {
      var row = Row(group: "heat", name: zone.type, text: zone.temperature.map { degrees($0) } ?? "failed")
      row.add(", passive ", zone.passiveTrip.map { degrees($0) })
      row.add(", hot ", zone.hotTrip.map { degrees($0) })
      row.add(", critical ", zone.criticalTrip.map { degrees($0) })
      rows.append(row)
    }
    // One line for those that do the same, as each processor's on x86.
    var index = 0
    while index < readings.coolingDevices.count {
      let device = readings.coolingDevices[index]
      var count = 1
      while index + count < readings.coolingDevices.count, readings.coolingDevices[index + count].type == device.type,
        readings.coolingDevices[index + count].state == device.state
      {
        count += 1
      }
      let name = count > 1 ? device.type + " × \(count)" : device.type
      add("cooling", name, "\(device.state) of \(device.stateMax)", to: &rows)
      index += count
    }
    return rows
  }

  private static func processorRows(_ readings: PowerReadings) -> [Row] {
    var rows: [Row] = []
    for cluster in readings.clusters {
      var row = Row(group: "processors", name: list(cluster.cores), text: "capacity \(cluster.capacity)")
      if let most = cluster.frequencyMax {
        row.text += ", \((cluster.frequencyCap ?? most) / 1000) of \(most / 1000) MHz allowed"
      }
      row.add(", threads too: ", cluster.siblings.isEmpty ? nil : list(cluster.siblings))
      rows.append(row)
    }
    if let quota = readings.processorQuota {
      add("processors", "quota", Console.fixed(quota, 2), to: &rows)
    }
    if let percent = readings.processorPressurePercent {
      add("processors", "pressure", Console.fixed(percent, 2) + " % of 10 s", to: &rows)
    }
    return rows
  }

  private static func supplyRows(_ supply: PowerReadings.PowerSupply, _ rows: inout [Row]) {
    if let isOnMains = supply.isOnMains {
      add("supply", "mains", isOnMains ? "on" : "off", to: &rows)
    }
    guard let percent = supply.batteryPercent else { return }
    var row = Row(group: "supply", name: "battery", text: "\(percent) %")
    row.add(", discharging", supply.isDischarging ? "" : nil)
    row.add(" ", supply.dischargeMicrowatts.map { Console.fixed(Double($0) / 1e6, 1) }, " W")
    row.add(", ", supply.batteryTemperature.map { degrees(100 * $0) })
    rows.append(row)
  }

  /// Of thousandths.
  static func degrees(_ millidegrees: Int) -> String { Console.fixed(Double(millidegrees) / 1000, 1) + " °C" }

  /// `0-3,5`.
  static func list(_ processors: [Int]) -> String {
    var text = ""
    var index = 0
    while index < processors.count {
      var end = index
      while end + 1 < processors.count, processors[end + 1] == processors[end] + 1 { end += 1 }
      text += (text.isEmpty ? "" : ",") + "\(processors[index])" + (end > index ? "-\(processors[end])" : "")
      index = end + 1
    }
    return text
  }
}
