import Foundation
import Memory
import TestSupport
import Testing

@testable import Devices

@Suite struct TargetTests {
  static let shipped = SharedFiles.package.appendingPathComponent("targets").path
  private static let gibibyte = 1 << 30

  /// Targets in a folder that lives as long as this does.
  private final class Targets {
    private let folder: TemporaryFolder

    init(_ files: [String: String]) throws {
      folder = try TemporaryFolder()
      for (name, text) in files { _ = try folder.write(name, Array(text.utf8)) }
    }

    var path: String { folder.path }
    private var directory: TargetDirectory { TargetDirectory(folder.path) }

    func names() throws(TargetError) -> [String] { try directory.names() }
    func target(named name: String) throws(TargetError) -> Target { try directory.target(named: name) }
    func recognised(tree: DeviceTree, architecture: String = Architecture.name) throws(TargetError) -> Target? {
      try directory.recognised(tree: tree, architecture: architecture)
    }
  }

  private func error(_ body: () throws(TargetError) -> Void) -> TargetError? {
    do { try body() } catch { return error }
    return nil
  }

  /// A folder that stands for `/`, with a device tree as the kernel shows it.
  private func root(model: String, _ compatible: [String], in place: String = "proc/device-tree") throws
    -> TemporaryFolder
  {
    let folder = try TemporaryFolder()
    _ = try folder.write(place + "/model", Array(model.utf8) + [0])
    _ = try folder.write(place + "/compatible", compatible.flatMap { Array($0.utf8) + [0] })
    return folder
  }

  // MARK: The targets that ship with the project

  @Test func shippedTargetsAreWhole() throws {
    let directory = TargetDirectory(Self.shipped)
    let names = try directory.names()
    #expect(
      names == [
        "generic-aarch64", "generic-x86-64", "jetson-orin-nano", "raspberry-pi-4", "raspberry-pi-5", "rk3588",
      ])
    for name in names {
      let target = try directory.target(named: name)
      #expect(target.name == name && target.recognition.architecture != nil)
      for gibibytes in [1, 2, 4, 8, 64] {
        // The Orin Nano has 4 GiB at least.
        if name == "jetson-orin-nano", gibibytes < 4 { continue }
        let physical = gibibytes * Self.gibibyte
        let budget = try target.defaultBudgetByteCount(physicalByteCount: physical)
        #expect(budget > physical / 4 && budget <= physical / 2, "\(name), \(gibibytes) GiB")
      }
    }
    for name in ["jetson-orin-nano", "raspberry-pi-4", "raspberry-pi-5", "rk3588"] {
      let gpu = try directory.target(named: name).memory.gpu
      #expect(gpu.isShared && gpu.reservedByteCount > 0)
    }
  }

  @Test(arguments: [
    ("Raspberry Pi 4 Model B Rev 1.4", ["raspberrypi,4-model-b", "brcm,bcm2711"], "raspberry-pi-4"),
    ("Raspberry Pi 400 Rev 1.0", ["raspberrypi,400", "brcm,bcm2711"], "raspberry-pi-4"),
    ("Raspberry Pi 5 Model B Rev 1.0", ["raspberrypi,5-model-b", "brcm,bcm2712"], "raspberry-pi-5"),
    (
      "NVIDIA Jetson Orin Nano Developer Kit",
      ["nvidia,p3768-0000+p3767-0005", "nvidia,p3767-0005", "nvidia,tegra234"], "jetson-orin-nano"
    ),
    ("Radxa ROCK 5B", ["radxa,rock-5b", "rockchip,rk3588"], "rk3588"),
    ("Orange Pi 5", ["xunlong,orangepi-5", "rockchip,rk3588s"], "rk3588"),
    ("NVIDIA Jetson AGX Orin", ["nvidia,p3737-0000+p3701-0000", "nvidia,tegra234"], "generic-aarch64"),
    ("Something else", ["vendor,board"], "generic-aarch64"), ("", [], "generic-aarch64"),
  ]) func boardsAreRecognised(_ model: String, _ compatible: [String], _ name: String) throws {
    for place in ["proc/device-tree", "sys/firmware/devicetree/base"] {
      let root = try root(model: model, compatible, in: place)
      let tree = DeviceTree(root: root.path)
      #expect(tree.model == model && tree.compatible == compatible)
      let target = try TargetDirectory(Self.shipped).recognised(tree: tree, architecture: "aarch64")
      #expect(target?.name == name)
    }
  }

  @Test func machinesWithoutADeviceTree() throws {
    let tree = DeviceTree(root: "/nonexistent")
    #expect(tree == DeviceTree())
    let directory = TargetDirectory(Self.shipped)
    #expect(try directory.recognised(tree: tree, architecture: "x86_64")?.name == "generic-x86-64")
    #expect(try directory.recognised(tree: tree, architecture: "riscv64") == nil)
    #expect(try directory.recognised()?.recognition.architecture == Architecture.name)
  }

  // MARK: Choosing

  @Test func theLongestMatchWins() throws {
    let directory = try Targets([
      "a.json": #"{"recognised_by":{"compatible":["vendor,soc"]}}"#,
      "b.json": #"{"recognised_by":{"compatible":["vendor,board-2"]}}"#,
      "c.json": #"{"recognised_by":{"architecture":"aarch64"}}"#, "d.json": "{}",
      "e.json": #"{"recognised_by":{"architecture":"x86_64","compatible":["vendor,board-2-rev-1"]}}"#,
    ])
    var tree = DeviceTree()
    tree.compatible = ["vendor,board-2-rev-1", "vendor,soc"]
    #expect(try directory.recognised(tree: tree, architecture: "aarch64")?.name == "b")
    tree.compatible = ["vendor,board-1", "vendor,soc"]
    #expect(try directory.recognised(tree: tree, architecture: "aarch64")?.name == "a")
    #expect(try directory.recognised(tree: DeviceTree(), architecture: "aarch64")?.name == "c")
    // What says nothing is nobody's.
    #expect(try directory.recognised(tree: DeviceTree(), architecture: "other") == nil)
  }

  // MARK: What a target says

  @Test func membersAreRead() throws {
    let text = #"""
      {"name":"x","cores":[{"class":"big","list":[4,5]}],"thermal":null,"memory":{"total_bytes":4294967296,"numa":1,
       "gpu":{"shared":true,"reserved_bytes":536870912,"heap":{}},"budget_percent":25,"budget_bytes":1073741824},
       "power":{"profile":"cool","idle_milliwatts":100,"throttle_file":"/f","curve":[],"clusters":[
         {"cores":[0,1],"capacity":400},{"cores":[2],"frequency_max_khz":9,"active_milliwatts":7}],
         "trips":{"zones":["a","b"],"passive":70000,"hot":80000,"critical":90000,"hysteresis":3000}},
       "recognised_by":{"architecture":"aarch64","compatible":["a,b"],"model":["A B"],"serial":"1"},"source":["x"]}
      """#
    let directory = try Targets(["x.json": text, "readme.txt": "x", ".json": "x", "y.jsonc": "x"])
    #expect(try directory.names() == ["x"])
    let target = try directory.target(named: "x")
    var expected = Target(name: "x")
    expected.recognition = .init(architecture: "aarch64", compatiblePrefixes: ["a,b"], modelPrefixes: ["A B"])
    expected.memory = .init(
      totalByteCount: 4 << 30, gpu: .init(isShared: true, reservedByteCount: 512 << 20), budgetPercent: 25,
      budgetByteCount: 1 << 30)
    expected.power.profile = "cool"
    expected.power.idleMilliwatts = 100
    expected.power.throttleFile = "/f"
    expected.power.clusters = [
      .init(cores: [2], frequencyMax: 9, activeMilliwatts: 7), .init(cores: [0, 1], capacity: 400),
    ]
    expected.power.trips = .init(zones: ["a", "b"], passive: 70_000, hot: 80_000, critical: 90_000, hysteresis: 3000)
    #expect(target == expected)
  }

  @Test func budgetsFollow() throws {
    var target = Target(name: "x")
    let gibibyte = Self.gibibyte
    #expect(try target.defaultBudgetByteCount(physicalByteCount: 8 * gibibyte) == 8 * gibibyte / 100 * 50)
    // Memory of its own is not the machine's.
    target.memory.gpu.reservedByteCount = 4 * gibibyte
    #expect(try target.defaultBudgetByteCount(physicalByteCount: 8 * gibibyte) == 8 * gibibyte / 100 * 50)
    target.memory.gpu.isShared = true
    #expect(try target.defaultBudgetByteCount(physicalByteCount: 8 * gibibyte) == 4 * gibibyte / 100 * 50)
    target.memory.totalByteCount = 6 * gibibyte
    #expect(try target.defaultBudgetByteCount(physicalByteCount: 8 * gibibyte) == 2 * gibibyte / 100 * 50)
    #expect(try target.defaultBudgetByteCount(physicalByteCount: 5 * gibibyte) == gibibyte / 100 * 50)
    target.memory.budgetByteCount = 1000
    #expect(try target.defaultBudgetByteCount(physicalByteCount: 8 * gibibyte) == 1000)
    let nothing = error { () throws(TargetError) in
      _ = try target.defaultBudgetByteCount(physicalByteCount: 4 * gibibyte)
    }
    #expect(nothing?.message.contains("give --memory-budget") == true)
  }

  /// The default is never above 4 GiB, whatever a target allows.
  @Test func fourGibibytesAreTheMost() {
    let root = "/nonexistent"
    let physical = 64 * Self.gibibyte
    #expect(DefaultBudget.byteCount(root: root, physicalByteCount: physical, targetByteCount: 32 << 30) == 4 << 30)
    #expect(DefaultBudget.byteCount(root: root, physicalByteCount: physical, targetByteCount: 3 << 30) == 3 << 30)
    #expect(DefaultBudget.byteCount(root: root, physicalByteCount: 1 << 30, targetByteCount: 3 << 30) == 1 << 29)
    #expect(DefaultBudget.byteCount(root: root, physicalByteCount: physical) == 4 << 30)
  }

  // MARK: What is wrong with a file

  @Test(arguments: [
    ("", "malformed"), ("[]", "the file must be an object"), (#"{"name":"y"}"#, "name must be x"),
    (#"{"name":1}"#, "name must be a string"), (#"{"memory":1}"#, "memory must be an object"),
    (#"{"memory":{"gpu":[]}}"#, "gpu must be an object"),
    (#"{"memory":{"gpu":{"shared":1}}}"#, "shared must be true or false"),
    (#"{"memory":{"gpu":{"reserved_bytes":-1}}}"#, "reserved_bytes must be a whole number"),
    (#"{"memory":{"total_bytes":0}}"#, "total_bytes must be a whole number from 1"),
    (#"{"memory":{"total_bytes":9223372036854775807}}"#, "total_bytes must be"),
    (#"{"memory":{"total_bytes":1e300}}"#, "total_bytes must be"),
    (#"{"memory":{"budget_percent":101}}"#, "budget_percent must be a whole number from 1 to 100"),
    (#"{"memory":{"budget_bytes":"1G"}}"#, "budget_bytes must be"),
    (#"{"power":[]}"#, "power must be an object"), (#"{"power":{"profile":1}}"#, "profile must be a string"),
    (#"{"power":{"idle_milliwatts":-1}}"#, "idle_milliwatts must be"),
    (#"{"power":{"clusters":{}}}"#, "clusters must be a list"),
    (#"{"power":{"clusters":[1]}}"#, "clusters must be a list"),
    (#"{"power":{"clusters":[{}]}}"#, "cores must be a list of whole numbers"),
    (#"{"power":{"clusters":[{"cores":[0,4096]}]}}"#, "cores must be a list of whole numbers from 0 to 4095"),
    (#"{"power":{"clusters":[{"cores":[0],"capacity":0}]}}"#, "capacity must be a whole number from 1"),
    (#"{"power":{"trips":{"zones":["x"]}}}"#, "passive must be given"),
    (#"{"power":{"trips":{"zones":"x","passive":1}}}"#, "zones must be a list"),
    (#"{"power":{"trips":{"passive":250001}}}"#, "passive must be a whole number from 1 to 250000"),
    (#"{"recognised_by":[]}"#, "recognised_by must be an object"),
    (#"{"recognised_by":{"model":"x"}}"#, "model must be a list"),
    (#"{"recognised_by":{"compatible":[""]}}"#, "compatible must be a list"),
    (#"{"recognised_by":{"compatible":[1]}}"#, "compatible must be a list"),
  ]) func wrongFiles(_ text: String, _ reason: String) throws {
    let directory = try Targets(["x.json": text])
    let found = error { () throws(TargetError) in _ = try directory.target(named: "x") }
    let message = try #require(found?.message)
    #expect(message.hasPrefix(directory.path + "/x.json: "), "\(message)")
    if reason != "malformed" { #expect(message.contains(reason), "\(message)") }
    #expect(error { () throws(TargetError) in _ = try directory.recognised(tree: DeviceTree()) } != nil)
  }

  @Test func hostileFilesNeverTrap() throws {
    let good = try String(contentsOfFile: Self.shipped + "/raspberry-pi-4.json", encoding: .utf8)
    var random = XorShift(4)
    for round in 0..<2000 {
      var bytes = Array(good.utf8)
      if round % 2 == 0 { bytes = Array(bytes.prefix(random.below(bytes.count))) }
      for _ in 0..<3 where !bytes.isEmpty { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
      bytes.withUnsafeBytes { bytes in
        let target = try? Target(parsing: bytes, name: "raspberry-pi-4", path: "x")
        _ = try? target?.defaultBudgetByteCount(physicalByteCount: random.below(1 << 40))
      }
    }
  }

  @Test func filesThatAreTooLongAreRefused() throws {
    let directory = try Targets(["x.json": "{" + String(repeating: " ", count: 20_000) + "}"])
    #expect(error { () throws(TargetError) in _ = try directory.target(named: "x") } != nil)
  }

  @Test func namesArePlain() throws {
    let directory = try Targets(["a.json": "{}", "b-1.json": "{}"])
    for name in ["", "..", "../a", "a/b", ".a", "a b", "a\n"] {
      guard case .badName = error({ () throws(TargetError) in _ = try directory.target(named: name) }) else {
        Issue.record("\(name) was taken")
        continue
      }
    }
    let unknown = error { () throws(TargetError) in _ = try directory.target(named: "c") }
    #expect(unknown?.message == "there is no target c in \(directory.path): it has a, b-1")
    let nowhere = error { () throws(TargetError) in _ = try TargetDirectory("/nonexistent").names() }
    #expect(nowhere?.message.contains("/nonexistent") == true)
  }
}
