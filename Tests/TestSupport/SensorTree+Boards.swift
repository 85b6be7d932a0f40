/// Machines as their kernels show them, idle and cool; constructed from device trees and documentation, not recorded.
extension SensorTree {
  public enum Board: String, CaseIterable, Sendable {
    case raspberryPi4, raspberryPi5, jetsonOrinNano, rk3588, laptop, container

    /// Its zone that load heats most.
    public var hottestZone: Int { self == .laptop || self == .rk3588 ? 1 : 0 }
    /// What the affinity mask allows there.
    public var processors: [Int] {
      switch self {
      case .raspberryPi4, .raspberryPi5: Array(0..<4)
      case .jetsonOrinNano: Array(0..<6)
      case .rk3588, .laptop, .container: Array(0..<8)
      }
    }
  }

  public static func board(_ board: Board) throws -> SensorTree {
    switch board {
    case .raspberryPi4: try raspberryPi4()
    case .raspberryPi5: try raspberryPi5()
    case .jetsonOrinNano: try jetsonOrinNano()
    case .rk3588: try rk3588()
    case .laptop: try laptop()
    case .container: try container()
    }
  }

  /// The kernel names only a critical trip: the firmware takes speed away from 80 °C on and says so in its word.
  public static func raspberryPi4() throws -> SensorTree {
    let tree = try SensorTree()
    try tree.deviceTree("Raspberry Pi 4 Model B Rev 1.4", ["raspberrypi,4-model-b", "brcm,bcm2711"])
    try tree.zone(0, "cpu-thermal", 48_312, [.critical(110_000)])
    try tree.processors(capacities: [1024, 1024, 1024, 1024])
    try tree.clock(0, 0...3, max: 1_800_000)
    try tree.set("sys/devices/platform/soc/soc:firmware/get_throttled", "0")
    return tree
  }

  /// With the fan of the official case.
  public static func raspberryPi5() throws -> SensorTree {
    let tree = try SensorTree()
    try tree.deviceTree("Raspberry Pi 5 Model B Rev 1.0", ["raspberrypi,5-model-b", "brcm,bcm2712"])
    try tree.zone(
      0, "cpu-thermal", 51_250,
      [.critical(110_000), .active(75_000), .active(67_500), .active(60_000), .active(50_000)])
    try tree.coolingDevice(0, "pwm-fan", state: 1, stateMax: 4)
    try tree.processors(capacities: [1024, 1024, 1024, 1024])
    try tree.clock(0, 0...3, max: 2_400_000)
    try tree.set("sys/bus/platform/drivers/raspberrypi-firmware/soc@107c000000:firmware/get_throttled", "0")
    return tree
  }

  /// In its mode of 15 W.
  public static func jetsonOrinNano() throws -> SensorTree {
    let tree = try SensorTree()
    try tree.deviceTree(
      "NVIDIA Jetson Orin Nano Developer Kit",
      ["nvidia,p3768-0000+p3767-0005", "nvidia,p3767-0005", "nvidia,tegra234"])
    for (number, name) in ["cpu-thermal", "gpu-thermal", "soc0-thermal", "soc1-thermal", "soc2-thermal"].enumerated() {
      try tree.zone(number, name, 47_000 + 125 * number, [.passive(99_000, 0), .critical(104_500)])
    }
    // Zones of engines without power cannot be read.
    try tree.zone(5, "cv0-thermal", 0, [.passive(99_000, 0), .critical(104_500)])
    try tree.set(Self.zonePath(5) + "/temp", bytes: [])
    try tree.zone(8, "tj-thermal", 47_500, [.critical(104_500)])
    try tree.coolingDevice(0, "pwm-fan", state: 1, stateMax: 3)
    try tree.coolingDevice(1, "cpufreq-cpu0", stateMax: 10)
    try tree.coolingDevice(2, "cpufreq-cpu4", stateMax: 10)
    try tree.processors(capacities: .init(repeating: 1024, count: 6), clusters: ["0-3", "4-5"])
    try tree.clock(0, 0...3, max: 1_510_400)
    try tree.clock(4, 4...5, max: 1_510_400)
    try tree.set("var/lib/nvpmodel/status", "pmode:0000")
    try tree.set(
      "etc/nvpmodel.conf",
      """
      # POWER_MODEL DEFINITIONS
      < PARAM TYPE=FILE NAME=CPU_ONLINE >
      CORE_1 /sys/devices/system/cpu/cpu1/online
      < POWER_MODEL ID=0 NAME=15W >
      CPU_ONLINE CORE_0 1
      CPU_ONLINE CORE_1 1
      CPU_ONLINE CORE_2 1
      CPU_ONLINE CORE_3 1
      CPU_ONLINE CORE_4 1
      CPU_ONLINE CORE_5 1
      CPU_A78_0 MIN_FREQ 729600
      CPU_A78_0 MAX_FREQ 1510400
      CPU_A78_1 MAX_FREQ 1510400
      GPU MAX_FREQ 624750000
      < POWER_MODEL ID=1 NAME=7W >
      CPU_ONLINE CORE_0 1
      CPU_ONLINE CORE_1 1
      CPU_ONLINE CORE_2 1
      CPU_ONLINE CORE_3 1
      CPU_ONLINE CORE_4 0
      CPU_ONLINE CORE_5 0
      CPU_A78_0 MAX_FREQ 960000
      < PM_CONFIG DEFAULT=0 >
      """)
    return tree
  }

  /// Four strong and four small cores; the strong ones have two clocks, which chips reach to different heights.
  public static func rk3588() throws -> SensorTree {
    let tree = try SensorTree()
    try tree.deviceTree("Radxa ROCK 5B", ["radxa,rock-5b", "rockchip,rk3588"])
    try tree.zone(0, "package-thermal", 44_384, [.critical(115_000)])
    for (number, name) in ["bigcore0-thermal", "bigcore2-thermal", "littlecore-thermal"].enumerated() {
      try tree.zone(number + 1, name, 45_307, [.passive(75_000), .passive(85_000), .critical(115_000)])
    }
    try tree.coolingDevice(0, "pwm-fan", stateMax: 4)
    try tree.coolingDevice(1, "cpufreq-cpu0", stateMax: 7)
    try tree.coolingDevice(2, "cpufreq-cpu4", stateMax: 9)
    try tree.coolingDevice(3, "cpufreq-cpu6", stateMax: 9)
    try tree.processors(
      capacities: [397, 397, 397, 397, 1024, 1024, 1003, 1003], clusters: ["0-3", "4-5", "6-7"])
    try tree.clock(0, 0...3, max: 1_800_000)
    try tree.clock(4, 4...5, max: 2_400_000)
    try tree.clock(6, 6...7, max: 2_352_000)
    return tree
  }

  /// Four x86 cores of two hardware threads each, on battery, with a mouse that has one too.
  public static func laptop() throws -> SensorTree {
    let tree = try SensorTree()
    try tree.zone(0, "acpitz", 46_000, [.critical(100_000), .passive(95_000, 0), .hot(98_000)])
    try tree.zone(1, "x86_pkg_temp", 52_000, [.passive(0, 0), .passive(-274_000, 0)])
    // A radio that is off.
    try tree.zone(2, "iwlwifi_1", 0, [.passive(-274_000, 0)])
    try tree.set(Self.zonePath(2) + "/temp", bytes: [])
    for number in 0..<8 { try tree.coolingDevice(number, "Processor", stateMax: 10) }
    try tree.coolingDevice(8, "intel_powerclamp", state: -1, stateMax: 50)
    try tree.coolingDevice(9, "LCD", state: 40, stateMax: 100)
    try tree.processors(
      capacities: .init(repeating: nil, count: 8), siblings: ["0-1", "2-3", "4-5", "6-7"])
    for number in 0..<8 { try tree.clock(number, number...number, max: number < 4 ? 4_700_000 : 4_600_000) }
    try tree.supply("AC", "Mains", ["online": "0"])
    try tree.supply(
      "BAT0", "Battery",
      [
        "status": "Discharging", "present": "1", "capacity": "63", "current_now": "-1210000",
        "voltage_now": "11400000", "temp": "312",
      ])
    try tree.supply("hidpp_battery_0", "Battery", ["scope": "Device", "status": "Discharging", "capacity": "5"])
    try tree.energyCounter("intel-rapl:0", "package-0", microjoules: 262_143_000_000, range: 262_143_328_850)
    try tree.energyCounter("intel-rapl:0:0", "core", microjoules: 1000, range: 262_143_328_850)
    try tree.energyCounter("intel-rapl-mmio:0", "package-0", microjoules: 5000, range: 262_143_328_850)
    try tree.set("sys/firmware/acpi/platform_profile", "low-power")
    try tree.set(
      "proc/pressure/cpu",
      "some avg10=1.53 avg60=0.87 avg300=0.20 total=8712873\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0")
    return tree
  }

  /// Eight processors of which a quota pays one and a half and a set allows four.
  public static func container() throws -> SensorTree {
    let tree = try SensorTree()
    try tree.set("proc/self/cgroup", "0::/pod/app")
    try tree.set("sys/fs/cgroup/pod/cpu.max", "400000 100000")
    try tree.set("sys/fs/cgroup/pod/app/cpu.max", "150000 100000")
    try tree.set("sys/fs/cgroup/pod/app/cpuset.cpus", "2-5")
    try tree.set("sys/fs/cgroup/pod/app/cpuset.cpus.effective", "2-5")
    try tree.set("sys/fs/cgroup/pod/app/cpu.pressure", "some avg10=37.05 avg60=0.87 avg300=0.20 total=8712873")
    try tree.set("proc/pressure/cpu", "some avg10=1.53 avg60=0.87 avg300=0.20 total=8712873")
    try tree.processors(capacities: .init(repeating: nil, count: 8))
    return tree
  }
}
