import Devices
import Power
import Protocols
import Runtime
import System

/// Heat, battery and cores decide what runs may take; the event loop looks, and runs that start afterwards heed it.
extension Server {
  /// Says which notices are missing, watches the others, and decides for the first time.
  func startGoverning() {
    guard let power else { return }
    // Without sensors there is nothing that a notice could be about.
    if power.sensors.pollIntervalNanoseconds != nil {
      for remark in power.notices.remarks { log.line("power: \(remark)") }
    }
    for notice in power.notices.notices {
      try? poll.add(notice.descriptor, notice.interest, token: Server.powerToken)
    }
    if let descriptor = power.filesDescriptor { try? poll.add(descriptor, .readable, token: Server.powerToken) }
    heed(power)
  }

  func takePowerNotice() {
    guard let power else { return }
    let reloads = power.takeFilesNotice()
    if reloads {
      do throws(TargetError) { try reloadProfiles(power) } catch {
        log.line("power: profiles stay as they were: \(error.message)")
      }
    } else if power.notices.take() {
      lookAtPower(power, Clock.nowNanoseconds)
    }
  }

  /// Reads the profiles again and decides with them. Errors: a file is malformed or gone; then everything stays as it was.
  func reloadProfiles(_ power: PowerWatch) throws(TargetError) {
    try power.reload()
    log.line("power: profiles read again")
    lookAtPower(power, Clock.nowNanoseconds)
  }

  var powerDueNanoseconds: Int64 { power?.dueNanoseconds ?? Int64.max }

  func govern(_ now: Int64) {
    guard let power, now >= power.dueNanoseconds else { return }
    lookAtPower(power, now)
  }

  private func lookAtPower(_ power: PowerWatch, _ now: Int64) {
    if power.look(now) { heed(power) }
  }

  /// Runs that start from now on take what was decided.
  private func heed(_ power: PowerWatch) {
    let decision = power.decision
    var effort = ComputeEffort()
    if !power.configuration.fixesThreads {
      effort.threadLimit = decision.threadCount
      effort.processors = decision.processors
    }
    effort.spins = decision.spins
    effort.state = decision.state.name
    residents.effort = effort
    scheduler.setDuty(percent: decision.dutyPercent)
    log.line(
      "power: \(decision.reason): \(effort.threadLimit == Int.max ? residents.pool.threadCount : decision.threadCount) "
        + "of \(residents.pool.threadCount) threads, \(decision.dutyPercent) % of the time (profile \(decision.profile))"
    )
  }

  func writePower(_ writer: inout MetricsWriter) {
    guard let power else { return }
    let decision = power.decision
    writer.family("thimble_governor_state", .gauge, help: "Heat: 0 nominal, 1 fair, 2 serious, 3 critical")
    writer.sample([], decision.state.rawValue)
    writer.family("thimble_governor_threads", .gauge, help: "Threads that an inference may take")
    writer.sample([], residents.effort.threadLimit == Int.max ? residents.pool.threadCount : decision.threadCount)
    writer.family("thimble_governor_duty_percent", .gauge, help: "Share of the time that inferences may run")
    writer.sample([], decision.dutyPercent)
    writer.family("thimble_governor_changes_total", .counter, help: "Changes of what the governor decided")
    writer.sample([], power.changeCount)
    if let headroom = decision.headroom {
      writer.family("thimble_governor_headroom", .gauge, help: "0 is 25 degrees below the passive trip, 1 is at it")
      writer.sample([], headroom)
    }
    if let energy = power.readings.energyMicrojoules {
      writer.family("thimble_energy_joules_total", .counter, help: "What the processors took since the start")
      writer.sample([], Double(energy) / 1e6)
    }
  }
}

/// `GET /v2/thimble/governor`: what was decided, why, and from which readings.
struct GovernorDocument: JSONWritable {
  let decision: PowerDecision
  let readings: PowerReadings
  let changeCount: Int
  let changedMilliseconds: Int64

  init(_ power: PowerWatch) {
    decision = power.decision
    readings = power.readings
    changeCount = power.changeCount
    changedMilliseconds = power.changedMilliseconds
  }

  func write(to json: inout JSONWriter) {
    json.beginObject()
    decision.writeMembers(to: &json)
    json.member("changes", changeCount)
    json.member("changed_at_ms", Int(changedMilliseconds))
    json.key("sensors")
    readings.write(to: &json)
    json.endObject()
  }

  /// Each reading's share is its texts and some numbers.
  var jsonBytesMax: Int {
    var byteCount = 4096 + decision.reason.jsonByteCount + 21 * decision.processors.count
    for zone in readings.zones { byteCount += 256 + zone.type.jsonByteCount }
    for device in readings.coolingDevices { byteCount += 160 + device.type.jsonByteCount }
    for cluster in readings.clusters { byteCount += 256 + 21 * (cluster.cores.count + cluster.siblings.count) }
    return byteCount + (readings.boardMode?.name.jsonByteCount ?? 0)
  }
}
