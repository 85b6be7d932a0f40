import Foundation
import TestSupport
import Testing

@testable import Power

/// Machines that change while they are read, and sensors that fail.
@Suite struct SensorChangeTests {
  private let second = SensorTests.second

  @Test func coresComeAndGo() throws {
    let tree = try SensorTree.rk3588()
    let sensors = SensorTests.sensors(tree, .rk3588)
    func cores(_ now: Int64) -> [[Int]] { sensors.read(nowNanoseconds: now).clusters.map { $0.cores } }
    #expect(cores(0) == [[4, 5, 6, 7], [0, 1, 2, 3]])
    try tree.setOnline("0-3,5")
    #expect(cores(1) == [[5], [0, 1, 2, 3]])
    // A clock goes with its processors.
    try tree.remove("sys/devices/system/cpu/cpufreq/policy6")
    #expect(cores(2) == [[5], [0, 1, 2, 3]])
    try tree.setOnline("0-3")
    #expect(cores(3) == [[0, 1, 2, 3]])
    // The mask allows none of what is online: the mask is what the kernel runs by.
    sensors.usableProcessors = [6, 7]
    #expect(cores(4) == [[6, 7]])
    try tree.setOnline("0-7")
    sensors.usableProcessors = Array(0..<8)
    #expect(cores(5) == [[4, 5, 6, 7], [0, 1, 2, 3]])
    try tree.set("sys/devices/system/cpu/online", bytes: [])
    sensors.usableProcessors = []
    #expect(cores(6) == [[0]])
  }

  @Test func theAffinityMaskCounts() throws {
    let tree = try SensorTree.laptop()
    // One thread of core 1 and both of core 3.
    let clusters = PowerSensors(root: tree.path, usableProcessors: [3, 6, 7]).read(nowNanoseconds: 0).clusters
    #expect(clusters.count == 1 && clusters[0].cores == [3, 6] && clusters[0].siblings == [7])
  }

  @Test func controlGroupsChange() throws {
    let tree = try SensorTree.container()
    let sensors = SensorTests.sensors(tree, .container)
    #expect(sensors.read(nowNanoseconds: 0).processorQuota == 1.5)
    try tree.set("sys/fs/cgroup/pod/app/cpu.max", "50000 100000")
    try tree.set("sys/fs/cgroup/pod/app/cpuset.cpus.effective", "7")
    let readings = sensors.read(nowNanoseconds: 1)
    #expect(readings.processorQuota == 0.5 && readings.clusters.map { $0.cores } == [[7]])
    try tree.set("sys/fs/cgroup/pod/app/cpu.max", "max 100000")
    #expect(sensors.read(nowNanoseconds: 2).processorQuota == 4)
  }

  @Test func legacyControlGroups() throws {
    let tree = try SensorTree.container()
    try tree.set("proc/self/cgroup", "5:cpu,cpuacct:/box\n4:cpuset:/box\n0::/")
    try tree.set("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "250000")
    try tree.set("sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000")
    try tree.set("sys/fs/cgroup/cpuset/box/cpuset.effective_cpus", "0,1")
    let readings = SensorTests.sensors(tree, .container).read(nowNanoseconds: 0)
    #expect(readings.processorQuota == 2.5 && readings.clusters.map { $0.cores } == [[0, 1]])
    #expect(readings.processorPressurePercent == 1.53)
  }

  @Test func capsAreSeen() throws {
    let tree = try SensorTree.rk3588()
    let sensors = SensorTests.sensors(tree, .rk3588)
    _ = sensors.read(nowNanoseconds: 0)
    try tree.set("sys/devices/system/cpu/cpufreq/policy6/scaling_max_freq", "1200000")
    let big = sensors.read(nowNanoseconds: 1).clusters[0]
    #expect(big.frequencyMax == 2_352_000 && big.frequencyCap == 1_200_000)
  }

  /// By frequency where the kernel knows no capacities: favoured cores are of one kind with the others, small ones are not.
  @Test func capacitiesByFrequency() throws {
    let tree = try SensorTree()
    try tree.processors(capacities: .init(repeating: nil, count: 6), siblings: ["0-1", "2-3"])
    try tree.clock(0, 0...1, max: 5_000_000)
    try tree.clock(2, 2...3, max: 4_700_000)
    try tree.clock(4, 4...5, max: 3_600_000)
    let clusters = PowerSensors(root: tree.path, usableProcessors: Array(0..<6)).read(nowNanoseconds: 0).clusters
    #expect(clusters.map { $0.cores } == [[0, 2], [4, 5]] && clusters.map { $0.siblings } == [[1, 3], []])
    #expect(clusters.map { $0.capacity } == [1024, 737])
  }

  // MARK: Zones

  @Test func aFailingSensorIsSaid() throws {
    let tree = try SensorTree.raspberryPi4()
    let sensors = SensorTests.sensors(tree, .raspberryPi4)
    let file = SensorTree.zonePath(0) + "/temp"
    for (number, bad) in ["", "nonsense", "99999999999999999999", "1000000", "-274000", "48 49", "0x30"].enumerated() {
      try tree.set(file, bad)
      let zones = sensors.read(nowNanoseconds: Int64(number)).zones
      #expect(zones.count == 1 && zones[0].temperature == nil, "\(bad)")
    }
    try tree.remove(file)
    #expect(sensors.read(nowNanoseconds: 10).zones.map { $0.temperature } == [nil])
    try tree.set(file + "/x", "a directory in its place")
    #expect(sensors.read(nowNanoseconds: 11).zones.map { $0.temperature } == [nil])
    try tree.remove(file)
    try tree.setTemperature(50_000)
    #expect(sensors.read(nowNanoseconds: 12).zones.map { $0.temperature } == [50_000])
  }

  /// An engine that is off counts once it has been read, and from then on it fails if it cannot be; without any zone that can be
  /// read, every one with a trip fails.
  @Test func enginesWithoutPower() throws {
    let tree = try SensorTree.jetsonOrinNano()
    let sensors = SensorTests.sensors(tree, .jetsonOrinNano)
    func zone(_ now: Int64) -> PowerReadings.ThermalZone? {
      sensors.read(nowNanoseconds: now).zones.first { $0.number == 5 }
    }
    #expect(zone(0) == nil)
    try tree.setTemperature(50_000, zone: 5)
    #expect(zone(1)?.temperature == 50_000)
    try tree.set(SensorTree.zonePath(5) + "/temp", bytes: [])
    #expect(zone(2)?.type == "cv0-thermal" && zone(2)?.temperature == nil)
    let fresh = SensorTests.sensors(tree, .jetsonOrinNano)
    for number in [0, 1, 2, 3, 4, 8] { try tree.set(SensorTree.zonePath(number) + "/temp", bytes: []) }
    let zones = fresh.read(nowNanoseconds: 0).zones
    #expect(zones.count == 7 && zones.allSatisfy { $0.temperature == nil })
  }

  @Test func zonesVanishAndCome() throws {
    let tree = try SensorTree.rk3588()
    let sensors = SensorTests.sensors(tree, .rk3588)
    #expect(sensors.read(nowNanoseconds: 0).zones.count == 4)
    try tree.remove(SensorTree.zonePath(2))
    #expect(sensors.read(nowNanoseconds: 1).zones.map { $0.number } == [0, 1, 3])
    try tree.remove("sys/class/thermal/cooling_device1")
    #expect(sensors.read(nowNanoseconds: 2).coolingDevices.map { $0.number } == [0, 2, 3])
    // New ones are found after a while, or at once where the kernel tells of them.
    try tree.zone(7, "gpu-thermal", 40_000, [.passive(85_000)])
    #expect(sensors.read(nowNanoseconds: 29 * second).zones.count == 3)
    #expect(sensors.read(nowNanoseconds: 30 * second).zones.map { $0.number } == [0, 1, 3, 7])
    try tree.zone(12, "npu-thermal", 40_000, [])
    sensors.devicesChanged()
    #expect(sensors.read(nowNanoseconds: 31 * second).zones.map { $0.number } == [0, 1, 3, 7, 12])
    // A radio that was read once and is turned off now is a sensor that fails.
    try tree.set(SensorTree.zonePath(12) + "/temp", bytes: [])
    sensors.devicesChanged()
    #expect(sensors.read(nowNanoseconds: 32 * second).zones.last?.temperature == nil)
    #expect(sensors.read(nowNanoseconds: 33 * second).zones.last?.number == 12)
  }

  @Test func suppliesAreAskedSeldom() throws {
    let tree = try SensorTree.laptop()
    let sensors = SensorTests.sensors(tree, .laptop)
    #expect(sensors.read(nowNanoseconds: 0).supply.batteryPercent == 63)
    try tree.set("sys/class/power_supply/BAT0/capacity", "62")
    #expect(sensors.read(nowNanoseconds: 9 * second).supply.batteryPercent == 63)
    #expect(sensors.read(nowNanoseconds: 10 * second).supply.batteryPercent == 62)
    try tree.set("sys/class/power_supply/AC/online", "1")
    sensors.supplyChanged()
    #expect(sensors.read(nowNanoseconds: 11 * second).supply.isOnMains == true)
  }

  // MARK: Hostile files

  /// Every file of every machine in turn holds what no kernel writes; nothing traps, and a processor is always left.
  @Test(arguments: SensorTree.Board.allCases) func hostileFiles(_ board: SensorTree.Board) throws {
    let tree = try SensorTree.board(board)
    var random = XorShift(seed(board.rawValue))
    let digits = [UInt8](repeating: UInt8(ascii: "9"), count: 30)
    for path in tree.files() {
      let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: tree.file(path))))
      let sensors = SensorTests.sensors(tree, board)
      var now: Int64 = 0
      func check() {
        // Every other time without a new search.
        now += now % 2 == 0 ? 1 : 31 * second
        let readings = sensors.read(nowNanoseconds: now)
        #expect(readings.clusters.contains { !$0.cores.isEmpty }, "\(path)")
        #expect(readings.clusters.allSatisfy { $0.capacity > 0 }, "\(path)")
        #expect(readings.supply.batteryPercent ?? 0 >= 0 && readings.energyMicrojoules ?? 0 >= 0, "\(path)")
      }
      check()
      let all: [[UInt8]] = [
        [], [0], [10], digits, [UInt8(ascii: "-")] + digits, Array("\(Int64.min)".utf8), Array("\(Int64.max)".utf8),
        Array("0-4095".utf8), Array("-1".utf8), random.bytes(16), random.bytes(4096), random.bytes(4097),
        [UInt8](repeating: UInt8(ascii: "1"), count: 100_000), whole + whole, Array(whole.prefix(whole.count / 2)),
      ]
      // Some for each file, and each for some: all of them take long.
      for _ in 0..<2 {
        try tree.set(path, bytes: all[random.below(all.count)])
        check()
        check()
      }
      try tree.remove(path)
      check()
      try tree.set(path + "/inside", "a directory in its place")
      check()
      try tree.remove(path)
      try tree.set(path, bytes: whole)
      check()
    }
  }
}
