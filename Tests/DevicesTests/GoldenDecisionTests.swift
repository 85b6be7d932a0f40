import Power
import TestSupport
import Testing

@testable import Devices

/// What is decided on each board in each situation, from its files to the decision: sensors, target, governor.
@Suite struct GoldenDecisionTests {
  /// What happens to a board, once it has been read for five seconds.
  private static let situations: [(name: String, happen: @Sendable (SensorTree, SensorTree.Board) throws -> Void)] = [
    ("cool", { _, _ in }),
    ("at 70 °C", { try heat($0, $1, 70_000) }),
    ("at 79 °C", { try heat($0, $1, 79_000) }),
    ("at 101 °C", { try heat($0, $1, 101_000) }),
    ("sensor fails", { try $0.set(SensorTree.zonePath($1.hottestZone) + "/temp", "error") }),
    ("processor 1 gone", { try $0.setOnline("0,2-\($1.processors.count - 1)") }),
    (
      "quota 1",
      { tree, _ in
        try tree.set("sys/fs/cgroup/cpu.max", "100000 100000")
      }
    ),
    (
      "firmware throttles",
      { tree, _ in
        for file in tree.files() where file.hasSuffix("get_throttled") { try tree.set(file, "50004") }
      }
    ),
    (
      "kernel cools",
      { tree, _ in
        if tree.files().contains("sys/class/thermal/cooling_device1/cur_state") {
          try tree.set("sys/class/thermal/cooling_device1/cur_state", "3")
        }
      }
    ),
  ]

  private static func heat(_ tree: SensorTree, _ board: SensorTree.Board, _ temperature: Int) throws {
    guard board != .container else { return }
    try tree.setTemperature(temperature, zone: board.hottestZone)
  }

  /// Five seconds as the board is, then ten of what happens; the last decision.
  private func decision(
    _ board: SensorTree.Board, _ profile: PowerProfile,
    _ happen: (SensorTree, SensorTree.Board) throws -> Void
  ) throws -> PowerDecision {
    let tree = try SensorTree.board(board)
    let target = try TargetDirectory(TargetTests.shipped).recognised(
      tree: DeviceTree(root: tree.path), architecture: board == .laptop || board == .container ? "x86_64" : "aarch64")
    let sensors = PowerSensors(
      root: tree.path, usableProcessors: board.processors, throttleFile: target?.power.throttleFile)
    var governor = PowerGovernor(profile: profile)
    var decision: PowerDecision?
    for second in 0..<15 {
      let now = Int64(second) * 1_000_000_000
      if second == 5 {
        try happen(tree, board)
        sensors.devicesChanged()
      }
      var readings = sensors.read(nowNanoseconds: now)
      target?.power.complete(&readings)
      decision = governor.decide(readings, nowNanoseconds: now)
    }
    return try #require(decision)
  }

  private func line(_ board: SensorTree.Board, _ situation: String, _ decision: PowerDecision) -> String {
    "\(board.rawValue), \(situation): \(decision.state.name) on \(decision.source.name), \(decision.profile), "
      + "\(decision.threadCount) threads on \(decision.processors), \(decision.dutyPercent) %"
  }

  @Test(arguments: SensorTree.Board.allCases) func decisions(_ board: SensorTree.Board) throws {
    var found: [String] = []
    for situation in Self.situations {
      found.append(line(board, situation.name, try decision(board, .balanced, situation.happen)))
    }
    let expected = Self.expected.split(separator: "\n").map { String($0) }.filter { $0.hasPrefix(board.rawValue + ",") }
    #expect(found == expected, "\(found.joined(separator: "\n"))")
  }

  /// Whatever is wished: no board runs at full effort without its sensor or over its trip.
  @Test(arguments: SensorTree.Board.allCases.filter { $0 != .container })
  func noProfileOutrunsItsBoard(_ board: SensorTree.Board) throws {
    let cool = try decision(board, .performance, { _, _ in })
    let over = try decision(board, .performance, { try Self.heat($0, $1, 101_000) })
    #expect(over.threadCount < cool.threadCount || over.dutyPercent < cool.dutyPercent)
    let blind = try decision(board, .performance) { tree, _ in
      for number in 0..<10 where tree.files().contains(SensorTree.zonePath(number) + "/temp") {
        try tree.set(SensorTree.zonePath(number) + "/temp", "error")
      }
    }
    #expect(blind.state >= .fair && blind.threadCount >= 1)
    #expect(
      blind.threadCount < cool.threadCount || blind.dutyPercent < cool.dutyPercent || blind.profile != cool.profile)
  }

  private static let expected = """
    raspberryPi4, cool: nominal on mains, balanced, 4 threads on [], 100 %
    raspberryPi4, at 70 °C: fair on mains, balanced, 2 threads on [], 70 %
    raspberryPi4, at 79 °C: fair on mains, balanced, 1 threads on [], 40 %
    raspberryPi4, at 101 °C: critical on mains, balanced, 1 threads on [], 40 %
    raspberryPi4, sensor fails: fair on mains, balanced, 3 threads on [], 85 %
    raspberryPi4, processor 1 gone: nominal on mains, balanced, 3 threads on [], 100 %
    raspberryPi4, quota 1: nominal on mains, balanced, 1 threads on [], 100 %
    raspberryPi4, firmware throttles: serious on mains, balanced, 2 threads on [], 70 %
    raspberryPi4, kernel cools: nominal on mains, balanced, 4 threads on [], 100 %
    raspberryPi5, cool: nominal on mains, balanced, 4 threads on [], 100 %
    raspberryPi5, at 70 °C: fair on mains, balanced, 2 threads on [], 70 %
    raspberryPi5, at 79 °C: fair on mains, balanced, 1 threads on [], 40 %
    raspberryPi5, at 101 °C: critical on mains, balanced, 1 threads on [], 40 %
    raspberryPi5, sensor fails: fair on mains, balanced, 3 threads on [], 85 %
    raspberryPi5, processor 1 gone: nominal on mains, balanced, 3 threads on [], 100 %
    raspberryPi5, quota 1: nominal on mains, balanced, 1 threads on [], 100 %
    raspberryPi5, firmware throttles: serious on mains, balanced, 2 threads on [], 70 %
    raspberryPi5, kernel cools: nominal on mains, balanced, 4 threads on [], 100 %
    jetsonOrinNano, cool: nominal on mains, balanced, 6 threads on [], 100 %
    jetsonOrinNano, at 70 °C: nominal on mains, balanced, 6 threads on [], 100 %
    jetsonOrinNano, at 79 °C: nominal on mains, balanced, 6 threads on [], 100 %
    jetsonOrinNano, at 101 °C: serious on mains, balanced, 1 threads on [], 40 %
    jetsonOrinNano, sensor fails: fair on mains, balanced, 4 threads on [], 85 %
    jetsonOrinNano, processor 1 gone: nominal on mains, balanced, 5 threads on [], 100 %
    jetsonOrinNano, quota 1: nominal on mains, balanced, 1 threads on [], 100 %
    jetsonOrinNano, firmware throttles: nominal on mains, balanced, 6 threads on [], 100 %
    jetsonOrinNano, kernel cools: serious on mains, balanced, 3 threads on [], 70 %
    rk3588, cool: nominal on mains, balanced, 8 threads on [], 100 %
    rk3588, at 70 °C: fair on mains, balanced, 1 threads on [4, 5, 6, 7], 40 %
    rk3588, at 79 °C: serious on mains, balanced, 1 threads on [4, 5, 6, 7], 40 %
    rk3588, at 101 °C: serious on mains, balanced, 1 threads on [4, 5, 6, 7], 40 %
    rk3588, sensor fails: fair on mains, balanced, 6 threads on [], 85 %
    rk3588, processor 1 gone: nominal on mains, balanced, 7 threads on [], 100 %
    rk3588, quota 1: nominal on mains, balanced, 1 threads on [4, 5, 6, 7], 100 %
    rk3588, firmware throttles: nominal on mains, balanced, 8 threads on [], 100 %
    rk3588, kernel cools: serious on mains, balanced, 4 threads on [4, 5, 6, 7], 70 %
    laptop, cool: nominal on battery, balanced, 3 threads on [0, 2, 4, 6], 100 %
    laptop, at 70 °C: fair on battery, balanced, 2 threads on [0, 2, 4, 6], 55 %
    laptop, at 79 °C: fair on battery, balanced, 1 threads on [0, 2, 4, 6], 30 %
    laptop, at 101 °C: serious on battery, balanced, 1 threads on [0, 2, 4, 6], 30 %
    laptop, sensor fails: fair on battery, balanced, 2 threads on [0, 2, 4, 6], 85 %
    laptop, processor 1 gone: nominal on battery, balanced, 3 threads on [0, 2, 4, 6], 100 %
    laptop, quota 1: nominal on battery, balanced, 1 threads on [0, 2, 4, 6], 100 %
    laptop, firmware throttles: nominal on battery, balanced, 3 threads on [0, 2, 4, 6], 100 %
    laptop, kernel cools: serious on battery, balanced, 2 threads on [0, 2, 4, 6], 55 %
    container, cool: nominal on mains, balanced, 1 threads on [], 100 %
    container, at 70 °C: nominal on mains, balanced, 1 threads on [], 100 %
    container, at 79 °C: nominal on mains, balanced, 1 threads on [], 100 %
    container, at 101 °C: nominal on mains, balanced, 1 threads on [], 100 %
    container, sensor fails: nominal on mains, balanced, 1 threads on [], 100 %
    container, processor 1 gone: nominal on mains, balanced, 1 threads on [], 100 %
    container, quota 1: nominal on mains, balanced, 1 threads on [], 100 %
    container, firmware throttles: nominal on mains, balanced, 1 threads on [], 100 %
    container, kernel cools: nominal on mains, balanced, 1 threads on [], 100 %
    """
}
