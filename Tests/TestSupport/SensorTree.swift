import Foundation

/// A folder that stands for `/` with the files of a machine's sensors, as the kernel shows them.
public final class SensorTree: Sendable {
  private let folder: TemporaryFolder
  public var path: String { folder.path }

  public init() throws {
    folder = try TemporaryFolder()
    try set("proc/self/cgroup", "0::/")
  }

  /// Writes a file, with the line's end that the kernel's have.
  public func set(_ path: String, _ text: String) throws { _ = try folder.write(path, Array((text + "\n").utf8)) }
  public func set(_ path: String, bytes: [UInt8]) throws { _ = try folder.write(path, bytes) }
  public func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: folder.file(path)) }
  public func file(_ path: String) -> String { folder.file(path) }

  /// Every file, in byte order.
  public func files() -> [String] {
    let all = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
    return all.filter {
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: file($0), isDirectory: &isFolder) && !isFolder.boolValue
    }.sorted()
  }

  // MARK: Parts

  public struct Trip: Sendable {
    let type: String
    let temperature: Int
    let hysteresis: Int
    public static func passive(_ temperature: Int, _ hysteresis: Int = 2000) -> Trip {
      Trip(type: "passive", temperature: temperature, hysteresis: hysteresis)
    }
    public static func active(_ temperature: Int, _ hysteresis: Int = 5000) -> Trip {
      Trip(type: "active", temperature: temperature, hysteresis: hysteresis)
    }
    public static func hot(_ temperature: Int) -> Trip { Trip(type: "hot", temperature: temperature, hysteresis: 0) }
    public static func critical(_ temperature: Int) -> Trip {
      Trip(type: "critical", temperature: temperature, hysteresis: 0)
    }
  }

  public static func zonePath(_ number: Int) -> String { "sys/class/thermal/thermal_zone\(number)" }

  public func zone(_ number: Int, _ type: String, _ temperature: Int, _ trips: [Trip]) throws {
    let zone = Self.zonePath(number)
    try set(zone + "/type", type)
    try set(zone + "/mode", "enabled")
    try set(zone + "/temp", "\(temperature)")
    for (index, trip) in trips.enumerated() {
      try set(zone + "/trip_point_\(index)_type", trip.type)
      try set(zone + "/trip_point_\(index)_temp", "\(trip.temperature)")
      try set(zone + "/trip_point_\(index)_hyst", "\(trip.hysteresis)")
    }
  }

  public func setTemperature(_ temperature: Int, zone number: Int = 0) throws {
    try set(Self.zonePath(number) + "/temp", "\(temperature)")
  }

  public func coolingDevice(_ number: Int, _ type: String, state: Int = 0, stateMax: Int) throws {
    let device = "sys/class/thermal/cooling_device\(number)"
    try set(device + "/type", type)
    try set(device + "/cur_state", "\(state)")
    try set(device + "/max_state", "\(stateMax)")
  }

  /// Processors of one capacity each; `siblings` are the lists of hardware threads of one core, none: each is its own.
  public func processors(capacities: [Int?], siblings: [String] = [], clusters: [String] = []) throws {
    let directory = "sys/devices/system/cpu"
    let all = capacities.count == 1 ? "0" : "0-\(capacities.count - 1)"
    for name in ["online", "possible", "present"] { try set(directory + "/" + name, all) }
    for (number, capacity) in capacities.enumerated() {
      let processor = directory + "/cpu\(number)"
      if let capacity { try set(processor + "/cpu_capacity", "\(capacity)") }
      func list(_ lists: [String], _ fallback: String) -> String {
        lists.first { list in
          let ends = list.split(separator: "-").map { Int($0)! }
          return ends.first! <= number && number <= ends.last!
        } ?? fallback
      }
      try set(processor + "/topology/core_id", "\(number)")
      try set(processor + "/topology/thread_siblings_list", list(siblings, "\(number)"))
      try set(processor + "/topology/cluster_cpus_list", list(clusters, all))
    }
  }

  public func setOnline(_ list: String) throws { try set("sys/devices/system/cpu/online", list) }

  public func clock(_ policy: Int, _ processors: ClosedRange<Int>, max: Int, cap: Int? = nil) throws {
    let directory = "sys/devices/system/cpu/cpufreq/policy\(policy)"
    try set(directory + "/related_cpus", processors.map { "\($0)" }.joined(separator: " "))
    try set(directory + "/cpuinfo_max_freq", "\(max)")
    try set(directory + "/scaling_max_freq", "\(cap ?? max)")
    try set(directory + "/scaling_cur_freq", "\(max)")
  }

  public func supply(_ name: String, _ type: String, _ values: [String: String]) throws {
    try set("sys/class/power_supply/\(name)/type", type)
    for (key, value) in values { try set("sys/class/power_supply/\(name)/\(key)", value) }
  }

  public func energyCounter(_ directory: String, _ name: String, microjoules: Int, range: Int) throws {
    try set("sys/class/powercap/\(directory)/name", name)
    try set("sys/class/powercap/\(directory)/energy_uj", "\(microjoules)")
    try set("sys/class/powercap/\(directory)/max_energy_range_uj", "\(range)")
  }

  public func deviceTree(_ model: String, _ compatible: [String]) throws {
    try set("proc/device-tree/model", bytes: Array(model.utf8) + [0])
    try set("proc/device-tree/compatible", bytes: compatible.flatMap { Array($0.utf8) + [0] })
  }
}
