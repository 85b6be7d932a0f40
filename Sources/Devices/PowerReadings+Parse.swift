import Power
import Protocols

extension PowerReadings {
  private static let countMax = 256
  private static let numbers = 0...9999
  private static let temperatures = -300_000...300_000
  private static let frequencies = 1...100_000_000
  private static let amounts = 0...Int.max

  /// Reads what `writeMembers` has written. Errors: members of another form; a machine without a processor.
  init(_ json: JSON, _ reader: TargetReader) throws(TargetError) {
    self.init()
    for zone in try reader.objects(json, "zones", countMax: PowerReadings.countMax) {
      zones.append(
        ThermalZone(
          number: try reader.required(try reader.number(zone, "number", in: PowerReadings.numbers), "number"),
          type: try PowerReadings.label(zone, "type", reader),
          temperature: try reader.number(zone, "temperature", in: PowerReadings.temperatures),
          passiveTrip: try reader.number(zone, "passive", in: PowerReadings.temperatures),
          hotTrip: try reader.number(zone, "hot", in: PowerReadings.temperatures),
          criticalTrip: try reader.number(zone, "critical", in: PowerReadings.temperatures),
          hysteresis: try reader.number(zone, "hysteresis", in: 0...100_000) ?? 0))
    }
    for device in try reader.objects(json, "cooling", countMax: PowerReadings.countMax) {
      coolingDevices.append(
        CoolingDevice(
          number: try reader.required(try reader.number(device, "number", in: PowerReadings.numbers), "number"),
          type: try PowerReadings.label(device, "type", reader),
          state: try reader.number(device, "state", in: 0...1_000_000) ?? 0,
          stateMax: try reader.number(device, "state_max", in: 0...1_000_000) ?? 0))
    }
    for cluster in try reader.objects(json, "clusters", countMax: PowerReadings.countMax) {
      clusters.append(
        ProcessorCluster(
          cores: try reader.numbers(cluster, "cores", in: 0...4095),
          siblings: cluster["siblings"] == nil ? [] : try reader.numbers(cluster, "siblings", in: 0...4095),
          capacity: try reader.number(cluster, "capacity", in: 1...65_536) ?? 1024,
          frequencyMax: try reader.number(cluster, "frequency_max_khz", in: PowerReadings.frequencies),
          frequencyCap: try reader.number(cluster, "frequency_cap_khz", in: PowerReadings.frequencies)))
    }
    if clusters.isEmpty {
      throw .invalid(path: reader.path, member: "clusters", expected: "a list of at least one object")
    }
    processorQuota = try PowerReadings.double(json, "processor_quota", in: 0...65_536, reader)
    processorPressurePercent = try PowerReadings.double(json, "processor_pressure_percent", in: 0...100, reader)
    if let member = try PowerReadings.object(json, "supply", reader) {
      supply.isOnMains = try reader.bool(member, "mains")
      supply.batteryPercent = try reader.number(member, "battery_percent", in: 0...100)
      supply.isDischarging = try reader.bool(member, "discharging") ?? false
      supply.batteryTemperature = try reader.number(member, "battery_decidegrees", in: -3000...3000)
      supply.dischargeMicrowatts = try reader.number(member, "discharge_microwatts", in: PowerReadings.amounts)
        .map { Int64($0) }
    }
    if let member = try PowerReadings.object(json, "firmware", reader) {
      firmware.isUndervolted = try reader.bool(member, "undervolted") ?? false
      firmware.isCapped = try reader.bool(member, "capped") ?? false
      firmware.isThrottled = try reader.bool(member, "throttled") ?? false
      firmware.isSoftLimited = try reader.bool(member, "soft_limited") ?? false
    }
    if let member = try PowerReadings.object(json, "board_mode", reader) {
      boardMode = BoardMode(
        number: try reader.required(try reader.number(member, "number", in: PowerReadings.numbers), "number"),
        name: try PowerReadings.label(member, "name", reader),
        coreCount: try reader.number(member, "cores", in: 0...4096),
        frequencyCap: try reader.number(member, "frequency_cap_khz", in: PowerReadings.frequencies))
    }
    if let name = try reader.text(json, "platform_profile") {
      platformProfile = try reader.required(PlatformProfile(rawValue: name), "platform_profile as a known word")
    }
    energyMicrojoules = try reader.number(json, "energy_microjoules", in: PowerReadings.amounts).map { Int64($0) }
  }

  /// A name for people: short, and of printable ASCII, whatever the file has.
  private static func label(_ json: JSON, _ name: String, _ reader: TargetReader) throws(TargetError) -> String {
    let bytes = (try reader.text(json, name) ?? "").utf8.prefix(64)
    return String(decoding: bytes.map { (32...126).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
  }

  private static func object(_ json: JSON, _ name: String, _ reader: TargetReader) throws(TargetError) -> JSON? {
    guard let value = json[name], value != .null else { return nil }
    try reader.requireObject(value, name)
    return value
  }

  private static func double(
    _ json: JSON, _ name: String, in range: ClosedRange<Double>, _ reader: TargetReader
  ) throws(TargetError) -> Double? {
    guard let value = json[name], value != .null else { return nil }
    guard let number = value.double, range.contains(number) else {
      throw .invalid(path: reader.path, member: name, expected: "a number in its range")
    }
    return number
  }
}
