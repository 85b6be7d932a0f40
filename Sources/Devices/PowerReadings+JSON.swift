import Power
import Protocols

extension PowerReadings: JSONWritable {
  public func write(to json: inout JSONWriter) {
    json.beginObject()
    writeMembers(to: &json)
    json.endObject()
  }

  /// What is absent is left out; temperatures in thousandths of a degree.
  public func writeMembers(to json: inout JSONWriter) {
    json.key("zones")
    json.beginArray()
    for zone in zones {
      json.beginObject()
      json.member("number", zone.number)
      json.member("type", zone.type)
      json.optional("temperature", zone.temperature)
      json.optional("passive", zone.passiveTrip)
      json.optional("hot", zone.hotTrip)
      json.optional("critical", zone.criticalTrip)
      if zone.hysteresis != 0 { json.member("hysteresis", zone.hysteresis) }
      json.endObject()
    }
    json.endArray()
    if !coolingDevices.isEmpty {
      json.key("cooling")
      json.beginArray()
      for device in coolingDevices {
        json.beginObject()
        json.member("number", device.number)
        json.member("type", device.type)
        json.member("state", device.state)
        json.member("state_max", device.stateMax)
        json.endObject()
      }
      json.endArray()
    }
    json.key("clusters")
    json.beginArray()
    for cluster in clusters {
      json.beginObject()
      json.member("cores", cluster.cores)
      if !cluster.siblings.isEmpty { json.member("siblings", cluster.siblings) }
      json.member("capacity", cluster.capacity)
      json.optional("frequency_max_khz", cluster.frequencyMax)
      json.optional("frequency_cap_khz", cluster.frequencyCap)
      json.endObject()
    }
    json.endArray()
    if let processorQuota { json.member("processor_quota", processorQuota) }
    if let processorPressurePercent { json.member("processor_pressure_percent", processorPressurePercent) }
    if supply != PowerSupply() {
      json.key("supply")
      json.beginObject()
      if let isOnMains = supply.isOnMains { json.member("mains", isOnMains) }
      json.optional("battery_percent", supply.batteryPercent)
      if supply.isDischarging { json.member("discharging", true) }
      json.optional("battery_decidegrees", supply.batteryTemperature)
      json.optional("discharge_microwatts", supply.dischargeMicrowatts.map { Int($0) })
      json.endObject()
    }
    if firmware != FirmwareThrottle() {
      json.key("firmware")
      json.beginObject()
      if firmware.isUndervolted { json.member("undervolted", true) }
      if firmware.isCapped { json.member("capped", true) }
      if firmware.isThrottled { json.member("throttled", true) }
      if firmware.isSoftLimited { json.member("soft_limited", true) }
      json.endObject()
    }
    if let boardMode {
      json.key("board_mode")
      json.beginObject()
      json.member("number", boardMode.number)
      json.member("name", boardMode.name)
      json.optional("cores", boardMode.coreCount)
      json.optional("frequency_cap_khz", boardMode.frequencyCap)
      json.endObject()
    }
    if let platformProfile { json.member("platform_profile", platformProfile.rawValue) }
    json.optional("energy_microjoules", energyMicrojoules.map { Int($0) })
  }
}

extension JSONWriter {
  /// A member where there is a value; nothing else.
  fileprivate mutating func optional(_ name: String, _ value: Int?) {
    if let value { member(name, value) }
  }
}
