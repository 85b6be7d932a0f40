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
    heed(power, says: true)
  }

  func takePowerNotice() {
    guard let power else { return }
    let reloads = power.takeFilesNotice()
    if reloads {
      do throws(TargetError) { try reloadProfiles(power) } catch {
        log.line("power: profiles stay as they were: \(error.message)", .error)
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
    let hasChanged = power.look(now)
    heed(power, says: hasChanged)
  }

  /// Runs that start from now on take what was decided.
  private func heed(_ power: PowerWatch, says: Bool) {
    let decision = power.decision
    var effort = ComputeEffort()
    if !power.configuration.fixesThreads {
      effort.threadLimit = decision.threadCount
      effort.processors = decision.processors
    }
    effort.spins = decision.spins
    effort.state = decision.state.name
    if effort != residents.effort { residents.effort = effort }
    scheduler.setDuty(percent: decision.dutyPercent, batchWindowMicros: decision.batchWindowMicros)
    guard says else { return }
    log.line(
      "power: \(decision.reason): \(effort.threadLimit == Int.max ? residents.pool.threadCount : decision.threadCount) "
        + "of \(residents.pool.threadCount) threads, \(decision.dutyPercent) % of the time (profile \(decision.profile))"
    )
  }

  func writePower(_ writer: inout MetricsWriter) {
    let users = clients.named
    writer.family("thimble_client_inferences_total", .counter, help: "Inferences by the user of the socket's peer")
    for (name, share) in users { writer.sample([.init("user", name)], share.inferenceCount) }
    writer.family("thimble_client_core_seconds_total", .counter, help: "Times of inferences times their threads")
    for (name, share) in users { writer.sample([.init("user", name)], Double(share.coreNanoseconds) / 1e9) }
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
    guard let energy = energy(power) else { return }
    writer.family("thimble_energy_joules_total", .counter, help: "Since the start, by whose word `source` says")
    let source = MetricsWriter.Label("source", energy.source.rawValue)
    writer.sample([source], energy.joules)
    writer.family("thimble_client_energy_joules_total", .counter, help: "Each user's part, by its time of the cores")
    for (name, share) in users {
      writer.sample([.init("user", name), source], energy.joules(ofCoreNanoseconds: share.coreNanoseconds))
    }
  }

  /// What all runs since the start took; nil where nobody says.
  func energy(_ power: PowerWatch) -> EnergyEstimate? {
    power.energy(
      runCount: metrics.reduce(0) { $0 + $1.executionCount }, coreNanoseconds: Clock.processCPUNanoseconds)
  }
}

/// `GET /v2/thimble/governor`: what was decided, why, and from which readings.
struct GovernorDocument: JSONWritable {
  let decision: PowerDecision
  let readings: PowerReadings
  let changeCount: Int
  let changedMilliseconds: Int64
  /// Since the start; nil where nobody says.
  let energy: EnergyEstimate?
  let clients: ClientUsage

  init(_ power: PowerWatch, _ energy: EnergyEstimate?, _ clients: ClientUsage) {
    self.energy = energy
    self.clients = clients
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
    if let energy {
      json.key("energy")
      json.beginObject()
      json.key("joules")
      json.double(energy.joules)
      json.member("inferences", energy.runCount)
      if let joules = energy.joulesPerRun {
        json.key("joules_per_inference")
        json.double(joules)
      }
      json.member("source", energy.source.rawValue)
      json.key("clients")
      json.beginArray()
      for (name, share) in clients.named {
        json.beginObject()
        json.member("user", name)
        json.member("inferences", share.inferenceCount)
        json.key("core_seconds")
        json.double(Double(share.coreNanoseconds) / 1e9)
        json.key("joules")
        json.double(energy.joules(ofCoreNanoseconds: share.coreNanoseconds))
        json.endObject()
      }
      json.endArray()
      json.endObject()
    }
    json.key("sensors")
    readings.write(to: &json)
    json.endObject()
  }

  /// Each reading's share is its texts and some numbers.
  var jsonBytesMax: Int {
    var byteCount =
      4096 + 160 * (ClientUsage.sharesMax + 1) + decision.reason.jsonByteCount + 21 * decision.processors.count
    for zone in readings.zones { byteCount += 256 + zone.type.jsonByteCount }
    for device in readings.coolingDevices { byteCount += 160 + device.type.jsonByteCount }
    for cluster in readings.clusters { byteCount += 256 + 21 * (cluster.cores.count + cluster.siblings.count) }
    return byteCount + (readings.boardMode?.name.jsonByteCount ?? 0)
  }
}
