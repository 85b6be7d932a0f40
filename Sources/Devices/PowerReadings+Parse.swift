import Power
import Protocols

extension PowerReadings {
  private static let countMax = 256
  private static let temperatures = -300_000...300_000
  private static let frequencies = 1...100_000_000
  private static let amounts = 0...Int.max

  /// Reads what `writeMembers` has written. Errors: members of another form; a machine without a processor.
  init(_ json: JSON, path: String) throws(TargetError) {
    let reader = FaultReader(TargetReader(path: path))
    self.init(json, reader)
    if let fault = reader.fault { throw fault }
  }

  private init(_ json: JSON, _ reader: FaultReader) {
    self.init()
    for zone in reader.objects(json, "zones", countMax: PowerReadings.countMax) {
      zones.append(
        ThermalZone(
          number: reader.number(zone, "number"),
          type: reader.label(zone, "type"),
          temperature: reader.number(zone, "temperature", in: PowerReadings.temperatures),
          passiveTrip: reader.number(zone, "passive", in: PowerReadings.temperatures),
          hotTrip: reader.number(zone, "hot", in: PowerReadings.temperatures),
          criticalTrip: reader.number(zone, "critical", in: PowerReadings.temperatures),
          hysteresis: reader.number(zone, "hysteresis", in: 0...100_000) ?? 0))
    }
    for device in reader.objects(json, "cooling", countMax: PowerReadings.countMax) {
      coolingDevices.append(
        CoolingDevice(
          number: reader.number(device, "number"),
          type: reader.label(device, "type"),
          state: reader.number(device, "state", in: 0...1_000_000) ?? 0,
          stateMax: reader.number(device, "state_max", in: 0...1_000_000) ?? 0))
    }
    for cluster in reader.objects(json, "clusters", countMax: PowerReadings.countMax) {
      clusters.append(
        ProcessorCluster(
          cores: reader.numbers(cluster, "cores", in: 0...4095),
          siblings: cluster["siblings"] == nil ? [] : reader.numbers(cluster, "siblings", in: 0...4095),
          capacity: reader.number(cluster, "capacity", in: 1...65_536) ?? 1024,
          frequencyMax: reader.number(cluster, "frequency_max_khz", in: PowerReadings.frequencies),
          frequencyCap: reader.number(cluster, "frequency_cap_khz", in: PowerReadings.frequencies)))
    }
    if clusters.isEmpty { reader.note("clusters", "a list of at least one object") }
    processorQuota = reader.double(json, "processor_quota", in: 0...65_536)
    processorPressurePercent = reader.double(json, "processor_pressure_percent", in: 0...100)
    if let member = reader.object(json, "supply") {
      supply.isOnMains = reader.bool(member, "mains")
      supply.batteryPercent = reader.number(member, "battery_percent", in: 0...100)
      supply.isDischarging = reader.bool(member, "discharging") == true
      supply.batteryTemperature = reader.number(member, "battery_decidegrees", in: -3000...3000)
      supply.dischargeMicrowatts = reader.number(member, "discharge_microwatts", in: PowerReadings.amounts)
        .map { Int64($0) }
    }
    if let member = reader.object(json, "firmware") {
      firmware.isUndervolted = reader.bool(member, "undervolted") == true
      firmware.isCapped = reader.bool(member, "capped") == true
      firmware.isThrottled = reader.bool(member, "throttled") == true
      firmware.isSoftLimited = reader.bool(member, "soft_limited") == true
    }
    if let member = reader.object(json, "board_mode") {
      boardMode = BoardMode(
        number: reader.number(member, "number"),
        name: reader.label(member, "name"),
        coreCount: reader.number(member, "cores", in: 0...4096),
        frequencyCap: reader.number(member, "frequency_cap_khz", in: PowerReadings.frequencies))
    }
    if let name = reader.text(json, "platform_profile") {
      platformProfile = PlatformProfile(rawValue: name)
      if platformProfile == nil { reader.note("platform_profile", "power-saver, balanced or performance") }
    }
    energyMicrojoules = reader.number(json, "energy_microjoules", in: PowerReadings.amounts).map { Int64($0) }
  }
}
