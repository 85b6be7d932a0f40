import TestSupport
import Testing

@testable import Power

/// What the governor decides of readings over time; nothing here waits.
@Suite struct GovernorTests {
  private let second: Int64 = 1_000_000_000

  /// Four equal cores and one zone with a trip at 80 °C.
  private func readings(_ celsius: Double?, cores: Int = 4) -> PowerReadings {
    var readings = PowerReadings()
    readings.zones = [
      .init(
        number: 0, type: "cpu-thermal", temperature: celsius.map { Int($0 * 1000) }, passiveTrip: 80_000,
        criticalTrip: 100_000, hysteresis: 2_000)
    ]
    readings.clusters = [.init(cores: Array(0..<cores))]
    return readings
  }

  /// One decision a second while the temperature is what `celsius` says.
  private func run(
    _ governor: inout PowerGovernor, from start: Int64, seconds: Int64, _ celsius: (Int64) -> Double?
  ) -> [PowerDecision] {
    (0..<seconds).map {
      governor.decide(readings(celsius($0)), nowNanoseconds: (start + $0) * second)
    }
  }

  @Test func coolIsFullSpeed() {
    var governor = PowerGovernor(profile: .performance)
    let decision = governor.decide(readings(45), nowNanoseconds: 0)
    #expect(decision.state == .nominal && decision.threadCount == 4 && decision.dutyPercent == 100)
    #expect(decision.processors.isEmpty && decision.profile == "performance" && decision.source == .mains)
    #expect(decision.reason == "nominal: cpu-thermal 45.0 °C, 35.0 below its 80 °C trip")
  }

  @Test func aTripIsFeltAtOnce() {
    var governor = PowerGovernor(profile: .balanced)
    _ = run(&governor, from: 0, seconds: 30) { _ in 50 }
    let decision = governor.decide(readings(81), nowNanoseconds: 30 * second)
    #expect(decision.state >= .serious && decision.threadCount == 2)
    #expect(decision.reason.contains("cpu-thermal"))
  }

  /// A step within the dwell keeps its name and lowers the effort at once.
  @Test func worseWithinTheDwellCountsAtOnce() {
    var governor = PowerGovernor(profile: .balanced)
    // Such a start counts as fair: 6 °C below the trip.
    let first = governor.decide(readings(74), nowNanoseconds: 0)
    #expect(first.state == .fair && first.threadCount == 3)
    let hot = governor.decide(readings(82), nowNanoseconds: 2 * second)
    #expect(hot.state == .fair && hot.threadCount <= 2 && hot.dutyPercent < first.dutyPercent)
    // What pressed stays until the name may follow, though it is cool again.
    let still = governor.decide(readings(60), nowNanoseconds: 5 * second)
    #expect(still.state == .fair && still.threadCount == hot.threadCount)
    #expect(governor.decide(readings(60), nowNanoseconds: 10 * second).state >= .serious)
  }

  @Test func coolingDownTakesPatience() {
    var governor = PowerGovernor(profile: .balanced)
    _ = run(&governor, from: 0, seconds: 20) { _ in 79 }
    let cooling = run(&governor, from: 20, seconds: 200) { _ in 50 }
    let states = cooling.map { $0.state }
    let changes = zip(states, states.dropFirst()).enumerated().filter { $0.element.0 != $0.element.1 }.map { $0.offset }
    // One level at a time, each after half a minute at least.
    #expect(states.first == .serious && states.last == .nominal && changes.count == 2)
    #expect(changes[0] >= 29 && changes[1] - changes[0] >= 30)
  }

  /// Steps up that are taken back within a minute make the next one wait longer, up to five minutes.
  @Test func patienceDoubles() {
    var governor = PowerGovernor(profile: .balanced)
    var now: Int64 = 0
    var waits: [Int64] = []
    for _ in 0..<6 {
      // Slowly hot, then cool at once.
      var celsius = 55.0
      while governor.decide(readings(celsius), nowNanoseconds: now * second).state == .nominal {
        now += 1
        celsius += 0.5
      }
      let cool = now
      repeat { now += 1 } while governor.decide(readings(55), nowNanoseconds: now * second).state != .nominal
      waits.append(now - cool)
    }
    for (index, wait) in waits.enumerated() {
      let patience: Int64 = min(30 << Int64(index), 300)
      #expect((patience...patience + 10).contains(wait), "\(waits)")
    }
    // A step that holds a minute makes it short again.
    _ = run(&governor, from: now, seconds: 100) { _ in 55 }
    now += 100
    _ = run(&governor, from: now, seconds: 15) { _ in 76 }
    let cooling = run(&governor, from: now + 15, seconds: 600) { _ in 55 }
    let firstStep = cooling.firstIndex { $0.state < cooling[0].state } ?? 0
    #expect(firstStep <= 310)
  }

  @Test func aNoisyRampChangesFourTimesAtMost() {
    for seed in 1...50 {
      var random = XorShift(UInt64(seed))
      var governor = PowerGovernor(profile: .balanced)
      let ramp = run(&governor, from: 0, seconds: 900) { time in
        45 + Double(time) * 40 / 900 + Double(random.below(4001)) / 1000 - 2
      }
      let states = ramp.map { $0.state }
      let changes = zip(states, states.dropFirst()).filter { $0 != $1 }.count
      #expect(changes <= 4, "seed \(seed)")
      #expect(states.last! >= .serious)
    }
  }

  /// Where heat follows the effort, it is held below the trip without states that take turns.
  @Test func heatIsHeldBetweenStates() {
    var governor = PowerGovernor(profile: .performance)
    // All threads would heat it to 95 °C, with some seven minutes' time.
    var celsius = 45.0
    var states: [ThermalState] = []
    var efforts: [Int] = []
    for second in 0..<3600 {
      let decision = governor.decide(readings(celsius), nowNanoseconds: Int64(second) * self.second)
      let effort = decision.threadCount * decision.dutyPercent
      celsius += (45 + 50 * Double(effort) / 400 - celsius) / 400
      states.append(decision.state)
      efforts.append(effort)
    }
    let changes = zip(states, states.dropFirst()).filter { $0 != $1 }.count
    #expect(changes <= 2 && celsius < 77 && celsius > 72, "\(changes) changes, \(celsius) °C")
    // As much effort as that temperature takes, within the width of a step.
    let late = efforts.suffix(1800)
    #expect(late.max()! - late.min()! <= 40, "\(late.min()!) to \(late.max()!)")
  }

  // MARK: Sensors that fail

  @Test func failedSensorsAreHeldThenDistrusted() {
    var governor = PowerGovernor(profile: .performance)
    _ = run(&governor, from: 0, seconds: 30) { _ in 40 }
    let blind = run(&governor, from: 30, seconds: 10) { _ in nil }
    #expect(blind[..<3].allSatisfy { $0.state == .nominal && $0.threadCount == 4 && $0.profile == "performance" })
    #expect(blind[3...].allSatisfy { $0.threadCount < 4 && $0.profile == "balanced" })
    #expect(blind.last!.reason.contains("cannot be read"))
    // And believed again, slowly.
    let back = run(&governor, from: 40, seconds: 120) { _ in 40 }
    #expect(back[0].dutyPercent < 100 && back.last!.dutyPercent == 100 && back.last!.threadCount == 4)
  }

  @Test func noSensorsIsNotAFailedSensor() {
    var governor = PowerGovernor(profile: .balanced)
    var readings = PowerReadings()
    readings.clusters = [.init(cores: [0, 1])]
    let decision = governor.decide(readings, nowNanoseconds: 5)
    #expect(decision.threadCount == 2 && decision.reason == "nominal: no thermal sensor" && decision.headroom == nil)
    #expect(governor.decide(PowerReadings(), nowNanoseconds: 6).threadCount == 1)
  }

  @Test func zonesThatVanishAreNotForgottenAtOnce() {
    var governor = PowerGovernor(profile: .performance)
    var two = readings(40)
    two.zones.append(.init(number: 1, type: "gpu-thermal", temperature: 41_000, passiveTrip: 90_000))
    for time in 0..<20 { _ = governor.decide(two, nowNanoseconds: Int64(time) * second) }
    var decisions: [PowerDecision] = []
    for time in 20..<200 { decisions.append(governor.decide(readings(40), nowNanoseconds: Int64(time) * second)) }
    #expect(decisions[5].threadCount < 4 || decisions[5].dutyPercent < 100)
    #expect(decisions.last!.threadCount == 4 && decisions.last!.profile == "performance")
  }

  /// A battery's or radio's zone says nothing of the processors.
  @Test func otherZonesDoNotCount() {
    var governor = PowerGovernor(profile: .performance)
    var readings = readings(40)
    readings.zones.append(.init(number: 7, type: "iwlwifi_1", temperature: 99_000))
    readings.zones.append(.init(number: 8, type: "bq27500-0", temperature: nil))
    for time in 0..<20 {
      #expect(governor.decide(readings, nowNanoseconds: Int64(time) * second).state == .nominal)
    }
  }

  // MARK: Other signs

  @Test func coolingDevicesTell() {
    var governor = PowerGovernor(profile: .balanced)
    var readings = PowerReadings()
    readings.clusters = [.init(cores: [0, 1, 2, 3])]
    func decide(_ state: Int, at time: Int64, type: String = "thermal-cpufreq-0") -> ThermalState {
      readings.coolingDevices = [.init(number: 0, type: type, state: state, stateMax: 10)]
      return governor.decide(readings, nowNanoseconds: time * second).state
    }
    // What was there before we came is nobody's fault.
    #expect(decide(3, at: 0) == .nominal)
    #expect(decide(4, at: 20) == .serious)
    #expect(decide(4, at: 40) == .serious)
    var governor2 = PowerGovernor(profile: .balanced)
    readings.coolingDevices = [.init(number: 0, type: "pwm-fan", state: 0, stateMax: 4)]
    _ = governor2.decide(readings, nowNanoseconds: 0)
    readings.coolingDevices[0].state = 4
    #expect(governor2.decide(readings, nowNanoseconds: second).state == .nominal)
  }

  @Test func firmwareTells() {
    var governor = PowerGovernor(profile: .balanced)
    var readings = PowerReadings()
    readings.clusters = [.init(cores: [0, 1, 2, 3])]
    readings.firmware.isThrottled = true
    let decision = governor.decide(readings, nowNanoseconds: 0)
    #expect(decision.state == .serious && decision.reason.contains("firmware takes speed away"))
  }

  @Test func batteryBandsAreWide() {
    var governor = PowerGovernor(profile: .balanced)
    func decide(_ percent: Int, discharging: Bool, at time: Int64) -> PowerDecision {
      var readings = readings(40)
      readings.supply.batteryPercent = percent
      readings.supply.isDischarging = discharging
      readings.supply.isOnMains = !discharging
      return governor.decide(readings, nowNanoseconds: time * second)
    }
    #expect(decide(80, discharging: true, at: 0).source == .battery)
    #expect(decide(20, discharging: true, at: 20).source == .lowBattery)
    #expect(decide(24, discharging: true, at: 40).source == .lowBattery)
    #expect(decide(25, discharging: true, at: 60).source == .battery)
    #expect(decide(15, discharging: false, at: 80).source == .mains)
    let last = decide(7, discharging: true, at: 100)
    #expect(last.source == .lowBattery && last.threadCount == 1 && last.reason.contains("7 % left"))
  }

  @Test func thePlatformsWishIsFollowedWhenAsked() {
    var readings = readings(40)
    readings.platformProfile = .powerSaver
    var follower = PowerProfile.balanced
    follower.followsPlatform = true
    var governor = PowerGovernor(profile: follower)
    #expect(governor.decide(readings, nowNanoseconds: 0).profile == "power-saver")
    var own = PowerGovernor(profile: .balanced)
    #expect(own.decide(readings, nowNanoseconds: 0).profile == "balanced")
  }

  // MARK: Processors

  @Test func clustersAndSiblings() {
    var readings = PowerReadings()
    readings.clusters = [
      .init(cores: [0, 1, 2, 3], capacity: 400), .init(cores: [4, 5, 6, 7], capacity: 1024),
    ]
    func choice(_ threads: PowerProfile.Threads, _ cores: PowerProfile.CoreClass) -> ProcessorChoice {
      ProcessorChoice(readings, .init(threads: threads, cores: cores))
    }
    #expect(choice(.percent(100), .any).threadCount == 8 && choice(.percent(100), .any).processors == [])
    #expect(choice(.percent(50), .any).threadCount == 4 && choice(.percent(50), .any).processors == [4, 5, 6, 7])
    #expect(choice(.percent(100), .little).processors == [0, 1, 2, 3])
    #expect(choice(.count(2), .big).threadCount == 2 && choice(.count(2), .big).processors == [4, 5, 6, 7])
    #expect(choice(.count(64), .big).threadCount == 4 && choice(.percent(0), .any).threadCount == 1)
    readings.processorQuota = 1.9
    #expect(choice(.percent(100), .any).threadCount == 1)
    readings.processorQuota = 0.1
    #expect(choice(.percent(100), .any).threadCount == 1)
    readings.processorQuota = nil
    readings.clusters = [.init(cores: [0, 2], siblings: [1, 3])]
    #expect(choice(.percent(100), .any).threadCount == 2 && choice(.percent(100), .any).processors == [0, 2])
  }

  @Test func capsOfClocksAreSaid() {
    var governor = PowerGovernor(profile: .balanced)
    var readings = readings(40)
    readings.clusters[0].frequencyMax = 2_400_000
    readings.clusters[0].frequencyCap = 1_500_000
    let decision = governor.decide(readings, nowNanoseconds: 0)
    #expect(decision.state == .nominal && decision.reason.hasSuffix("; clocks are capped at 1500 of 2400 MHz"))
  }

  // MARK: Anything at all

  @Test func clocksMayLeapAnywhere() {
    var governor = PowerGovernor(profile: .balanced)
    for now in [Int64.min, 0, -1, 5_000_000_000, Int64.max, 3, Int64.max, .min] {
      for celsius in [40.0, 95, 40] {
        #expect(governor.decide(readings(celsius), nowNanoseconds: now).threadCount >= 1)
      }
    }
  }

  /// Random and adversarial traces: at most one change of the state a dwell, never full speed without good readings, never no
  /// thread, whatever the sensors say.
  @Test func tracesNeverBreakThePromises() {
    for seed in 0..<10_000 {
      var random = XorShift(UInt64(seed + 1))
      let profile = PowerProfile.standard[random.below(3)]
      var governor = PowerGovernor(profile: profile)
      var now = Int64(random.below(1 << 40))
      var latest = Int64.min
      var lastChange: Int64?
      var lastState: ThermalState?
      var temperature = 30_000 + random.below(60_000)
      var goodCount = 0
      var failedCount = 0
      var brokenCount = 0
      for _ in 0..<60 {
        now += Int64(random.below(4_000)) * 1_000_000 * (random.below(20) == 0 ? -1 : 1)
        temperature += random.below(12_001) - 6_000
        if random.below(30) == 0 { temperature = random.below(300_000) - 100_000 }
        let fails = random.below(4) == 0
        var readings = PowerReadings()
        readings.zones = [
          .init(
            number: 3, type: "soc", temperature: fails ? nil : temperature,
            passiveTrip: random.below(9) == 0 ? Int.min + random.below(9) : 80_000,
            hotTrip: random.below(9) == 0 ? Int.min : nil, criticalTrip: random.below(9) == 0 ? Int.max : nil,
            hysteresis: random.below(5) == 0 ? Int.max : 2_000)
        ]
        if random.below(10) == 0 { readings.zones = [] }
        if random.below(3) > 0 { readings.clusters = [.init(cores: Array(0..<1 + random.below(8)))] }
        if random.below(8) == 0 { readings.processorQuota = [0, -1, .nan, .infinity, 1e300, 0.5][random.below(6)] }
        if random.below(8) == 0 {
          readings.coolingDevices = [
            .init(number: random.below(3), type: "cpu", state: random.below(2) == 0 ? Int.min : Int.max, stateMax: 0)
          ]
        }
        if random.below(8) == 0 {
          readings.supply.isDischarging = true
          readings.supply.batteryPercent = random.below(140) - 20
          readings.supply.batteryTemperature = random.below(2000) - 500
        }
        let isGood = readings.zones.first?.temperature.map { (-40_000...150_000).contains($0) } ?? false
        goodCount = isGood ? goodCount + 1 : 0
        failedCount = isGood ? 0 : failedCount + 1
        let decision = governor.decide(readings, nowNanoseconds: now)

        var isKept = decision.threadCount >= 1 && (1...100).contains(decision.dutyPercent)
        let coreCount = readings.clusters.reduce(0) { $0 + $1.cores.count }
        isKept = isKept && decision.threadCount <= max(1, coreCount)
        if failedCount > PowerGovernor.missesHeld, goodCount == 0, lastState != nil, !readings.zones.isEmpty {
          isKept = isKept && (decision.threadCount < coreCount || coreCount < 2 || decision.dutyPercent < 100)
        }
        // At a trip at once no more than the serious state allows, whatever was held before; and never more than the best state.
        let followed = PowerProfile.standard.first { $0.name == decision.profile } ?? profile
        let isAtTrip = isGood && readings.zones[0].passiveTrip == 80_000 && temperature >= 80_000
        let most = followed[isAtTrip ? .serious : .nominal, decision.source]
        let share = ProcessorChoice(readings, most).threadCount * most.dutyPercent
        isKept = isKept && decision.threadCount * decision.dutyPercent <= share
        // A clock that goes back stands still.
        latest = max(latest, now)
        if let lastState, lastState != decision.state {
          if let lastChange { isKept = isKept && latest - lastChange >= PowerGovernor.dwellNanoseconds }
          lastChange = latest
        }
        lastState = decision.state
        if !isKept { brokenCount += 1 }
      }
      #expect(brokenCount == 0, "seed \(seed)")
    }
  }
}
