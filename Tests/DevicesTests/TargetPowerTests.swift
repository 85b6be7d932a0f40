import Power
import TestSupport
import Testing

@testable import Devices

/// What targets add to what the kernel says.
@Suite struct TargetPowerTests {
  private func target(_ name: String) throws -> Target {
    try TargetDirectory(TargetTests.shipped).target(named: name)
  }

  /// Boards have clusters, powers and trips that make sense; every figure's source is said.
  @Test(arguments: ["jetson-orin-nano", "raspberry-pi-4", "raspberry-pi-5", "rk3588"])
  func boardsAreKnown(_ name: String) throws {
    let power = try target(name).power
    #expect(power.clusters.first?.capacity == 1024 && power.idleMilliwatts ?? 0 > 0)
    let cores = power.clusters.flatMap { $0.cores }
    #expect(Set(cores).count == cores.count)
    let milliwatts = try #require(power.activeMilliwatts(of: cores))
    #expect((1000...20_000).contains(milliwatts))
    #expect(power.activeMilliwatts(of: [cores[0], 99]) == nil && power.activeMilliwatts(of: []) == 0)
    let trips = try #require(power.trips)
    #expect((70_000...100_000).contains(trips.passive) && trips.critical ?? 110_000 > trips.passive)
    let json = try JSONFile.object(TargetTests.shipped + "/" + name + ".json")
    let sources = try #require(json["source"] as? [String])
    for member in ["trips", "idle_milliwatts", "profile", "clusters"] {
      #expect(sources.contains { $0.contains("power.") && $0.contains(member) }, "\(name): \(member)")
    }
  }

  @Test(arguments: [
    (SensorTree.Board.raspberryPi4, "raspberry-pi-4", 80_000), (.raspberryPi5, "raspberry-pi-5", 80_000),
    (.jetsonOrinNano, "jetson-orin-nano", 99_000), (.rk3588, "rk3588", 75_000),
  ]) func tripsThatTheKernelDoesNotName(_ board: SensorTree.Board, _ name: String, _ passive: Int) throws {
    let tree = try SensorTree.board(board)
    let found = try TargetDirectory(TargetTests.shipped).recognised(
      tree: DeviceTree(root: tree.path), architecture: "aarch64")
    #expect(found?.name == name)
    let power = try target(name).power
    var readings = PowerSensors(
      root: tree.path, usableProcessors: board.processors, throttleFile: power.throttleFile
    ).read(nowNanoseconds: 0)
    let told = readings
    power.complete(&readings)
    let least = readings.zones.compactMap { $0.passiveTrip }.min()
    #expect(least == passive && readings.zones.allSatisfy { $0.passiveTrip != nil })
    // What the kernel says stays.
    for (zone, before) in zip(readings.zones, told.zones) {
      #expect(before.passiveTrip == nil || zone == before)
      #expect(before.criticalTrip == nil || zone.criticalTrip == before.criticalTrip)
      #expect(zone.temperature == before.temperature)
    }
    #expect(readings.clusters == told.clusters)
  }

  @Test func clustersThatTheKernelDoesNotTell() throws {
    let power = try target("rk3588").power
    var readings = PowerReadings()
    readings.clusters = [.init(cores: Array(0..<8))]
    power.complete(&readings)
    #expect(readings.clusters == [.init(cores: [4, 5, 6, 7]), .init(cores: [0, 1, 2, 3], capacity: 397)])
    // The mask leaves some.
    readings.clusters = [.init(cores: [3, 4])]
    power.complete(&readings)
    #expect(readings.clusters == [.init(cores: [4]), .init(cores: [3], capacity: 397)])
    // More processors than the target has.
    readings.clusters = [.init(cores: Array(0..<16))]
    power.complete(&readings)
    #expect(readings.clusters == [.init(cores: Array(0..<16))])
  }

  @Test func theThrottleWordMayBeElsewhere() throws {
    let tree = try SensorTree()
    try tree.set("sys/firmware/throttled", "4")
    let sensors = PowerSensors(root: tree.path, throttleFile: "/sys/firmware/throttled")
    #expect(sensors.read(nowNanoseconds: 0).firmware.isThrottled)
  }
}
