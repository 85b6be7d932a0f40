import Power
import Testing

/// What the governor decides on four boards as they warm up, throttle and cool down: word for word.
@Suite struct BoardDecisionTests {
  private typealias Zone = PowerReadings.ThermalZone

  /// A minute from one temperature to the next and a minute there, at the end of which the decision is noted.
  private func decisions(
    _ profile: PowerProfile, _ celsius: [Double], _ readings: (_ degrees: Double) -> PowerReadings
  ) -> [String] {
    var governor = PowerGovernor(profile: profile)
    var lines: [String] = []
    var last = celsius[0]
    var now: Int64 = 0
    for degrees in celsius {
      for second in 1...120 {
        let here = last + (degrees - last) * min(1, Double(second) / 60)
        let decision = governor.decide(readings(here), nowNanoseconds: now * 1_000_000_000)
        now += 1
        guard second == 120 else { continue }
        let cores = decision.processors.isEmpty ? "" : " on \(decision.processors)"
        lines.append("\(decision.threadCount)\(cores), \(decision.dutyPercent) %: \(decision.reason)")
      }
      last = degrees
    }
    return lines
  }

  /// The kernel names a critical trip only; the target, the firmware's.
  @Test func raspberryPi4() {
    let lines = decisions(.balanced, [48, 74, 82, 60, 50]) { degrees in
      var readings = PowerReadings()
      readings.zones = [
        Zone(
          number: 0, type: "cpu-thermal", temperature: Int(degrees * 1000), passiveTrip: 80_000, hotTrip: 85_000,
          criticalTrip: 110_000, hysteresis: 2000)
      ]
      readings.clusters = [.init(cores: [0, 1, 2, 3], frequencyMax: 1_800_000, frequencyCap: 1_800_000)]
      readings.firmware.isCapped = degrees >= 80
      return readings
    }
    #expect(
      lines == [
        "4, 100 %: nominal: cpu-thermal 48.0 °C, 32.0 below its 80 °C trip",
        "2, 72 %: serious: cpu-thermal 74.0 °C, 6.0 below its 80 °C trip, not cooler for long enough",
        "1, 40 %: critical: cpu-thermal 82.0 °C, 2.0 above its 80 °C trip",
        "4, 100 %: nominal: cpu-thermal 60.0 °C, 20.0 below its 80 °C trip",
        "4, 100 %: nominal: cpu-thermal 50.0 °C, 30.0 below its 80 °C trip",
      ])
  }

  @Test func raspberryPi5() {
    let lines = decisions(.performance, [50, 74, 78, 86, 55]) { degrees in
      var readings = PowerReadings()
      readings.zones = [
        Zone(
          number: 0, type: "cpu-thermal", temperature: Int(degrees * 1000), passiveTrip: 80_000, hotTrip: 85_000,
          criticalTrip: 110_000, hysteresis: 2000)
      ]
      readings.coolingDevices = [.init(number: 0, type: "pwm-fan", state: degrees >= 75 ? 4 : 1, stateMax: 4)]
      readings.clusters = [.init(cores: [0, 1, 2, 3], frequencyMax: 2_400_000, frequencyCap: 2_400_000)]
      readings.firmware.isThrottled = degrees >= 85
      return readings
    }
    #expect(
      lines == [
        "4, 100 %: nominal: cpu-thermal 50.0 °C, 30.0 below its 80 °C trip",
        "2, 89 %: serious: cpu-thermal 74.0 °C, 6.0 below its 80 °C trip, not cooler for long enough",
        "2, 85 %: serious: cpu-thermal 78.0 °C, 2.0 below its 80 °C trip",
        "1, 40 %: critical: cpu-thermal 86.0 °C, 6.0 above its 80 °C trip",
        "4, 100 %: nominal: cpu-thermal 55.0 °C, 25.0 below its 80 °C trip",
      ])
  }

  /// Six cores in the mode of 15 W; zones of the power chip and the module's board say nothing of the processors.
  @Test func jetsonOrinNano() {
    let lines = decisions(.balanced, [55, 93, 96, 100, 70]) { degrees in
      var readings = PowerReadings()
      readings.zones = [
        Zone(
          number: 0, type: "cpu-thermal", temperature: Int(degrees * 1000), passiveTrip: 99_000, criticalTrip: 104_500),
        Zone(number: 1, type: "gpu-thermal", temperature: nil, passiveTrip: 99_000, criticalTrip: 104_500),
        Zone(number: 8, type: "tj-thermal", temperature: Int(degrees * 1000) + 500, passiveTrip: 99_000),
        Zone(number: 9, type: "tboard-ambient", temperature: 120_000),
      ]
      // A graphics processor that is off does not say how hot it is.
      readings.zones.remove(at: 1)
      readings.coolingDevices = [.init(number: 0, type: "cpufreq-cpu0", state: degrees >= 99 ? 2 : 0, stateMax: 10)]
      readings.clusters = [.init(cores: [0, 1, 2, 3, 4, 5], frequencyMax: 1_510_400, frequencyCap: 1_510_400)]
      readings.boardMode = .init(number: 0, name: "15W", coreCount: 6)
      return readings
    }
    #expect(
      lines == [
        "6, 100 %: nominal: tj-thermal 55.5 °C, 43.5 below its 99 °C trip",
        "3, 70 %: serious: tj-thermal 93.5 °C, 5.5 below its 99 °C trip, not cooler for long enough",
        "3, 70 %: serious: tj-thermal 96.5 °C, 2.5 below its 99 °C trip",
        "1, 40 %: critical: tj-thermal 100.5 °C, 1.5 above its 99 °C trip",
        "6, 100 %: nominal: tj-thermal 70.5 °C, 28.5 below its 99 °C trip",
      ])
  }

  @Test func rk3588() {
    let lines = decisions(.powerSaver, [45, 79, 83, 87, 50]) { degrees in
      var readings = PowerReadings()
      readings.zones = [
        Zone(number: 0, type: "package-thermal", temperature: Int(degrees * 1000) - 1500, criticalTrip: 115_000),
        Zone(
          number: 1, type: "bigcore0-thermal", temperature: Int(degrees * 1000), passiveTrip: 85_000,
          criticalTrip: 115_000,
          hysteresis: 2000),
        Zone(
          number: 3, type: "littlecore-thermal", temperature: Int(degrees * 1000) - 3000, passiveTrip: 85_000,
          criticalTrip: 115_000, hysteresis: 2000),
      ]
      readings.coolingDevices = [.init(number: 1, type: "cpufreq-cpu4", state: degrees >= 85 ? 1 : 0, stateMax: 7)]
      readings.clusters = [
        .init(cores: [4, 5, 6, 7], frequencyMax: 2_400_000, frequencyCap: 2_400_000),
        .init(cores: [0, 1, 2, 3], capacity: 397, frequencyMax: 1_800_000, frequencyCap: 1_800_000),
      ]
      return readings
    }
    #expect(
      lines == [
        "4 on [4, 5, 6, 7], 100 %: nominal: bigcore0-thermal 45.0 °C, 40.0 below its 85 °C trip",
        "1 on [4, 5, 6, 7], 72 %: serious: bigcore0-thermal 79.0 °C, 6.0 below its 85 °C trip, not cooler for long enough",
        "1 on [4, 5, 6, 7], 60 %: serious: bigcore0-thermal 83.0 °C, 2.0 below its 85 °C trip",
        "1 on [4, 5, 6, 7], 40 %: critical: bigcore0-thermal 87.0 °C, 2.0 above its 85 °C trip",
        "4 on [4, 5, 6, 7], 100 %: nominal: bigcore0-thermal 50.0 °C, 35.0 below its 85 °C trip",
      ])
  }
}
