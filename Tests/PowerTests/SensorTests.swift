import Foundation
import TestSupport
import Testing

@testable import Power

/// What the sensors of whole machines read as.
@Suite struct SensorTests {
  static let second: Int64 = 1_000_000_000

  static func sensors(_ tree: SensorTree, _ board: SensorTree.Board) -> PowerSensors {
    PowerSensors(root: tree.path, usableProcessors: board.processors)
  }

  private func readings(_ board: SensorTree.Board) throws -> PowerReadings {
    let tree = try SensorTree.board(board)
    return Self.sensors(tree, board).read(nowNanoseconds: 0)
  }

  // MARK: Boards

  @Test func raspberryPi4() throws {
    var expected = PowerReadings()
    expected.zones = [.init(number: 0, type: "cpu-thermal", temperature: 48_312, criticalTrip: 110_000)]
    expected.clusters = [
      .init(cores: [0, 1, 2, 3], capacity: 1024, frequencyMax: 1_800_000, frequencyCap: 1_800_000)
    ]
    #expect(try readings(.raspberryPi4) == expected)
  }

  @Test func raspberryPi5() throws {
    var expected = PowerReadings()
    expected.zones = [.init(number: 0, type: "cpu-thermal", temperature: 51_250, criticalTrip: 110_000)]
    expected.coolingDevices = [.init(number: 0, type: "pwm-fan", state: 1, stateMax: 4)]
    expected.clusters = [
      .init(cores: [0, 1, 2, 3], capacity: 1024, frequencyMax: 2_400_000, frequencyCap: 2_400_000)
    ]
    #expect(try readings(.raspberryPi5) == expected)
  }

  @Test func jetsonOrinNano() throws {
    var expected = PowerReadings()
    for (number, name) in ["cpu", "gpu", "soc0", "soc1", "soc2"].enumerated() {
      expected.zones.append(
        .init(
          number: number, type: name + "-thermal", temperature: 47_000 + 125 * number, passiveTrip: 99_000,
          criticalTrip: 104_500))
    }
    // The engine without power is no sensor that fails.
    expected.zones.append(.init(number: 8, type: "tj-thermal", temperature: 47_500, criticalTrip: 104_500))
    expected.coolingDevices = [
      .init(number: 0, type: "pwm-fan", state: 1, stateMax: 3),
      .init(number: 1, type: "cpufreq-cpu0", state: 0, stateMax: 10),
      .init(number: 2, type: "cpufreq-cpu4", state: 0, stateMax: 10),
    ]
    expected.clusters = [
      .init(cores: Array(0..<6), capacity: 1024, frequencyMax: 1_510_400, frequencyCap: 1_510_400)
    ]
    expected.boardMode = .init(number: 0, name: "15W", coreCount: 6, frequencyCap: 1_510_400)
    #expect(try readings(.jetsonOrinNano) == expected)
  }

  @Test func rk3588() throws {
    var expected = PowerReadings()
    expected.zones = [.init(number: 0, type: "package-thermal", temperature: 44_384, criticalTrip: 115_000)]
    for (number, name) in ["bigcore0", "bigcore2", "littlecore"].enumerated() {
      expected.zones.append(
        .init(
          number: number + 1, type: name + "-thermal", temperature: 45_307, passiveTrip: 75_000,
          criticalTrip: 115_000, hysteresis: 2000))
    }
    expected.coolingDevices = [
      .init(number: 0, type: "pwm-fan", state: 0, stateMax: 4),
      .init(number: 1, type: "cpufreq-cpu0", state: 0, stateMax: 7),
      .init(number: 2, type: "cpufreq-cpu4", state: 0, stateMax: 9),
      .init(number: 3, type: "cpufreq-cpu6", state: 0, stateMax: 9),
    ]
    expected.clusters = [
      .init(cores: [4, 5, 6, 7], capacity: 1024, frequencyMax: 2_400_000, frequencyCap: 2_400_000),
      .init(cores: [0, 1, 2, 3], capacity: 397, frequencyMax: 1_800_000, frequencyCap: 1_800_000),
    ]
    #expect(try readings(.rk3588) == expected)
  }

  @Test func laptop() throws {
    var expected = PowerReadings()
    // The radio's zone has neither trips that are on nor a temperature.
    expected.zones = [
      .init(
        number: 0, type: "acpitz", temperature: 46_000, passiveTrip: 95_000, hotTrip: 98_000, criticalTrip: 100_000),
      .init(number: 1, type: "x86_pkg_temp", temperature: 52_000),
    ]
    for number in 0..<8 {
      expected.coolingDevices.append(.init(number: number, type: "Processor", state: 0, stateMax: 10))
    }
    expected.coolingDevices.append(.init(number: 8, type: "intel_powerclamp", state: 0, stateMax: 50))
    expected.coolingDevices.append(.init(number: 9, type: "LCD", state: 40, stateMax: 100))
    expected.clusters = [
      .init(
        cores: [0, 2, 4, 6], siblings: [1, 3, 5, 7], capacity: 1024, frequencyMax: 4_700_000, frequencyCap: 4_700_000)
    ]
    expected.supply.isOnMains = false
    expected.supply.batteryPercent = 63
    expected.supply.isDischarging = true
    expected.supply.batteryTemperature = 312
    // 1.21 A at 11.4 V, whatever the sign.
    expected.supply.dischargeMicrowatts = 13_794_000
    expected.platformProfile = .powerSaver
    expected.processorPressurePercent = 1.53
    expected.energyMicrojoules = 0
    let readings = try readings(.laptop)
    #expect(readings == expected)
    #expect(readings.coolingDevices.map { $0.takesSpeed }.filter { !$0 }.count == 1)
  }

  @Test func container() throws {
    var expected = PowerReadings()
    expected.clusters = [.init(cores: [2, 3, 4, 5])]
    expected.processorQuota = 1.5
    expected.processorPressurePercent = 37.05
    #expect(try readings(.container) == expected)
  }

  /// A machine without sensors never has to be looked at.
  @Test func emptyMachine() throws {
    let sensors = PowerSensors(root: "/nonexistent", usableProcessors: [])
    var expected = PowerReadings()
    expected.clusters = [.init(cores: [0])]
    #expect(sensors.read(nowNanoseconds: 0) == expected)
    #expect(sensors.pollIntervalNanoseconds == nil)
  }

  @Test(
    arguments: [
      (SensorTree.Board.raspberryPi4, 1), (.laptop, 1), (.container, nil),
    ] as [(SensorTree.Board, Int64?)]) func polling(_ board: SensorTree.Board, _ seconds: Int64?) throws
  {
    let tree = try SensorTree.board(board)
    #expect(Self.sensors(tree, board).pollIntervalNanoseconds == seconds.map { $0 * Self.second })
  }

  @Test func batteriesAloneArePolledSlowly() throws {
    let tree = try SensorTree()
    try tree.supply("BAT0", "Battery", ["capacity": "50"])
    #expect(PowerSensors(root: tree.path).pollIntervalNanoseconds == 10 * Self.second)
  }

  @Test func thisMachineIsRead() {
    let readings = PowerSensors().read()
    let cores = readings.clusters.flatMap { $0.cores }
    #expect(!cores.isEmpty && Set(cores).count == cores.count)
  }

  // MARK: Parts

  @Test(arguments: [
    ("0", false, false, false, false), ("50005", true, false, true, false), ("0xe0008", false, false, false, true),
    ("50000", false, false, false, false), ("2", false, true, false, false), ("zebra", false, false, false, false),
    ("ffffffffffffffffffff", false, false, false, false), ("-1", false, false, false, false),
  ]) func throttleWord(_ word: String, _ undervolted: Bool, _ capped: Bool, _ throttled: Bool, _ soft: Bool) throws {
    for board in [SensorTree.Board.raspberryPi4, .raspberryPi5] {
      let tree = try SensorTree.board(board)
      try tree.set(tree.files().first { $0.hasSuffix("get_throttled") }!, word)
      let firmware = Self.sensors(tree, board).read(nowNanoseconds: 0).firmware
      #expect(firmware.isUndervolted == undervolted && firmware.isCapped == capped)
      #expect(firmware.isThrottled == throttled && firmware.isSoftLimited == soft)
    }
  }

  @Test(
    arguments: [
      ("low-power", PowerReadings.PlatformProfile.powerSaver), ("cool", .powerSaver), ("quiet", .powerSaver),
      ("balanced", .balanced), ("balanced-performance", .performance), ("performance", .performance), ("custom", nil),
      ("", nil),
    ] as [(String, PowerReadings.PlatformProfile?)])
  func platformProfile(_ text: String, _ expected: PowerReadings.PlatformProfile?) throws {
    let tree = try SensorTree()
    try tree.set("sys/firmware/acpi/platform_profile", text)
    #expect(PowerSensors(root: tree.path).read(nowNanoseconds: 0).platformProfile == expected)
  }

  /// power-profiles-daemon's choice, where the firmware knows no profiles.
  @Test(
    arguments: [
      ("[State]\nCpuDriver=intel_pstate\nPlatformDriver=placeholder\nProfile=power-saver", .powerSaver),
      ("[State]\nProfile=balanced", .balanced), ("[State]\nProfile=performance\n", .performance),
      ("[State]\nProfile=custom", nil), ("[State]", nil), ("", nil),
    ] as [(String, PowerReadings.PlatformProfile?)])
  func chosenProfile(_ text: String, _ expected: PowerReadings.PlatformProfile?) throws {
    let tree = try SensorTree()
    let file = "var/lib/power-profiles-daemon/state.ini"
    try tree.set(file, text)
    let sensors = PowerSensors(root: tree.path)
    #expect(sensors.read(nowNanoseconds: 0).platformProfile == expected)
    // The file is replaced, as GLib does.
    let notices = PowerNotices(sensors, hearsKernel: false)
    #expect(notices.remarks.isEmpty && !notices.take())
    try tree.set(file + ".new", "[State]\nProfile=power-saver")
    _ = notices.take()
    try FileManager.default.removeItem(atPath: tree.file(file))
    try FileManager.default.moveItem(atPath: tree.file(file + ".new"), toPath: tree.file(file))
    #expect(notices.take() && sensors.read(nowNanoseconds: 1).platformProfile == .powerSaver)
    try tree.set("sys/firmware/acpi/platform_profile", "performance")
    #expect(PowerSensors(root: tree.path).read(nowNanoseconds: 0).platformProfile == .performance)
  }

  @Test func jetsonModeChanges() throws {
    let tree = try SensorTree.jetsonOrinNano()
    let sensors = Self.sensors(tree, .jetsonOrinNano)
    #expect(sensors.read(nowNanoseconds: 0).boardMode?.name == "15W")
    try tree.set("var/lib/nvpmodel/status", "pmode:0001 fmode:quiet")
    #expect(
      sensors.read(nowNanoseconds: 1).boardMode == .init(number: 1, name: "7W", coreCount: 4, frequencyCap: 960_000))
    try tree.set("var/lib/nvpmodel/status", "pmode:0007")
    #expect(sensors.read(nowNanoseconds: 2).boardMode == .init(number: 7))
    try tree.set("var/lib/nvpmodel/status", "nonsense")
    #expect(sensors.read(nowNanoseconds: 3).boardMode == nil)
  }

  /// The signs and members of current that vendors choose; a charger ends the discharge.
  @Test func batteries() throws {
    let tree = try SensorTree()
    var supply = try battery(tree, ["status": "Discharging", "power_now": "7000000", "capacity": "40"])
    #expect(supply.dischargeMicrowatts == 7_000_000 && supply.batteryPercent == 40 && supply.isOnMains == nil)
    supply = try battery(tree, ["power_now": "-6500000"])
    #expect(supply.dischargeMicrowatts == 6_500_000)
    supply = try battery(tree, ["power_now": "none", "current_now": "500000", "voltage_now": "8000000"])
    #expect(supply.dischargeMicrowatts == 4_000_000)
    supply = try battery(tree, ["current_now": "\(Int64.min)"])
    #expect(supply.dischargeMicrowatts == nil && supply.isDischarging)
    supply = try battery(tree, ["current_now": "\(Int64.max)"])
    #expect(supply.dischargeMicrowatts == nil)
    supply = try battery(tree, ["status": "Charging", "current_now": "500000"])
    #expect(supply.dischargeMicrowatts == nil && !supply.isDischarging)
    // It does not say: without mains it is the battery that gives.
    try tree.supply("usb", "USB_PD", ["online": "0"])
    supply = try battery(tree, ["status": "Unknown"])
    #expect(supply.isDischarging && supply.isOnMains == false)
    try tree.supply("usb", "USB_PD", ["online": "1"])
    supply = try battery(tree, [:])
    #expect(!supply.isDischarging && supply.isOnMains == true)
    // A second battery.
    try tree.supply("BAT1", "Battery", ["status": "Discharging", "capacity": "80", "power_now": "1000000"])
    supply = try battery(tree, [:])
    #expect(supply.batteryPercent == 60 && supply.isDischarging && supply.dischargeMicrowatts == 1_000_000)
    supply = try battery(tree, ["present": "0"])
    #expect(supply.batteryPercent == 80)
  }

  private func battery(_ tree: SensorTree, _ values: [String: String]) throws -> PowerReadings.PowerSupply {
    try tree.supply("BAT0", "Battery", values)
    return PowerSensors(root: tree.path).read(nowNanoseconds: 0).supply
  }

  @Test func energyNeverGoesBack() throws {
    let tree = try SensorTree.laptop()
    let sensors = Self.sensors(tree, .laptop)
    let file = "sys/class/powercap/intel-rapl:0/energy_uj"
    var expected: [Int64] = []
    var found: [Int64?] = []
    for (value, total) in [
      (262_143_000_000, 0), (262_143_300_000, 300_000), (1000, 329_850), (2000, 330_850),
      // A driver that starts anew below its range, and one that lies.
      (2000, 330_850),
    ] as [(Int64, Int64)] {
      try tree.set(file, "\(value)")
      expected.append(total)
      found.append(sensors.read(nowNanoseconds: 0).energyMicrojoules)
    }
    #expect(found == expected)
    for value in ["\(Int64.max)", "0", "-5", "nonsense", "\(Int64.max)", "1"] {
      try tree.set(file, value)
      let before = found.last!!
      let now = try #require(sensors.read(nowNanoseconds: 0).energyMicrojoules)
      #expect(now >= before)
      found.append(now)
    }
  }

  @Test(
    arguments: [
      ("0-3", [0, 1, 2, 3]), ("0", [0]), ("0,2-3,7", [0, 2, 3, 7]), ("0 1 2 3", [0, 1, 2, 3]), ("4095", [4095]),
      ("", nil), ("3-1", nil), ("-1", nil), ("0-4096", nil), ("0-99999999999999999999", nil), ("a-b", nil),
      ("1--2", nil), ("0,,2", [0, 2]), ("2,0", nil), ("0-3,2", nil),
    ] as [(String, [Int]?)]) func processorLists(_ text: String, _ expected: [Int]?)
  {
    #expect(SensorFile.processors(Array((text + "\n").utf8)) == expected)
  }
}
