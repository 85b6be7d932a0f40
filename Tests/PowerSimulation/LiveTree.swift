import Foundation
import Power

/// A board's sensors as files that follow simulated heat, for a program that reads them there.
public struct LiveTree {
  public private(set) var state: BoardState
  private let path: String
  private let load: String?
  private let speed: Double

  /// `load`: the file that says how many cores are busy; `-` or nil: standard input does. `speed`: simulated seconds a second.
  public init(_ board: Board, path: String, load: String?, speed: Double) {
    state = BoardState(board)
    self.path = path
    self.load = load
    self.speed = speed
  }

  private static let stepSeconds = 0.1

  /// In real time, until standard input ends, or for ever where the load comes from a file. Errors: a file cannot be written.
  public func run() throws -> Never {
    var live = self
    let busyCores = Shared()
    if load == nil || load == "-" {
      Thread.detachNewThread {
        while let line = readLine() { if let cores = Double(line) { busyCores.value = cores } }
        exit(0)
      }
    }
    try live.start()
    FileHandle.standardOutput.write(Data("writes \(state.board.name) to \(path)\n".utf8))
    while true {
      Thread.sleep(forTimeInterval: LiveTree.stepSeconds)
      if let load, load != "-", let text = try? String(contentsOfFile: load, encoding: .utf8) {
        busyCores.value = Double(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? busyCores.value
      }
      try live.advance(seconds: LiveTree.stepSeconds * speed, busyCores: busyCores.value)
    }
  }

  /// Writes all files. Errors: one cannot be written.
  public mutating func start() throws { try write(isFirst: true) }

  /// Lets time pass with so many busy cores, the strongest first, and writes what has changed.
  public mutating func advance(seconds: Double, busyCores: Double) throws {
    var left = min(Double(state.board.coreCount), max(0, busyCores))
    let busy = state.board.clusters.map { cluster in
      let here = min(left, Double(cluster.cores.count))
      left -= here
      return here
    }
    var rest = seconds
    while rest > 1e-9 {
      let step = min(LiveTree.stepSeconds, rest)
      _ = state.advance(seconds: step, busy: busy, computing: 1)
      rest -= step
    }
    try write(isFirst: false)
  }

  // MARK: Files

  private mutating func write(isFirst: Bool) throws {
    let board = state.board
    let readings = state.readings()
    let zone = readings.zones[0]
    let thermal = "sys/class/thermal/thermal_zone0/"
    if isFirst {
      try set("proc/self/cgroup", "0::/")
      try set(thermal + "type", zone.type)
      try set(thermal + "mode", "enabled")
      let trips = [("passive", zone.passiveTrip!, zone.hysteresis), ("critical", zone.criticalTrip!, 0)]
      for (index, trip) in trips.enumerated() {
        try set(thermal + "trip_point_\(index)_type", trip.0)
        try set(thermal + "trip_point_\(index)_temp", "\(trip.1)")
        try set(thermal + "trip_point_\(index)_hyst", "\(trip.2)")
      }
      try writeProcessors(board)
    }
    try set(thermal + "temp", "\(zone.temperature!)")
    for device in readings.coolingDevices {
      let folder = "sys/class/thermal/cooling_device\(device.number)/"
      if isFirst {
        try set(folder + "type", device.type)
        try set(folder + "max_state", "\(device.stateMax)")
      }
      try set(folder + "cur_state", "\(device.state)")
    }
    for (index, cluster) in board.clusters.enumerated() {
      let folder = "sys/devices/system/cpu/cpufreq/policy\(cluster.cores[0])/"
      try set(
        folder + "scaling_max_freq",
        "\(readings.clusters[index].frequencyCap ?? readings.clusters[index].frequencyMax!)")
      try set(folder + "scaling_cur_freq", "\(Int(state.megahertz(index) * 1000))")
    }
    if board.throttle.isFirmware {
      let word = (readings.firmware.isCapped ? 2 : 0) | (readings.firmware.isThrottled ? 4 : 0)
      try set("sys/devices/platform/soc/soc:firmware/get_throttled", String(word, radix: 16))
    }
  }

  private func writeProcessors(_ board: Board) throws {
    let folder = "sys/devices/system/cpu/"
    for name in ["online", "possible", "present"] { try set(folder + name, "0-\(board.coreCount - 1)") }
    for cluster in board.clusters {
      let list = "\(cluster.cores[0])-\(cluster.cores.last!)"
      for core in cluster.cores {
        try set(folder + "cpu\(core)/cpu_capacity", "\(cluster.capacity)")
        try set(folder + "cpu\(core)/topology/core_id", "\(core)")
        try set(folder + "cpu\(core)/topology/thread_siblings_list", "\(core)")
        try set(folder + "cpu\(core)/topology/cluster_cpus_list", list)
      }
      let policy = folder + "cpufreq/policy\(cluster.cores[0])/"
      try set(policy + "related_cpus", cluster.cores.map { "\($0)" }.joined(separator: " "))
      try set(policy + "cpuinfo_max_freq", "\(Int(cluster.points.last!.megahertz * 1000))")
    }
  }

  /// In place, as sysfs does it: a reader that keeps a file open sees what is new.
  private func set(_ file: String, _ text: String) throws {
    let url = URL(fileURLWithPath: path + "/" + file)
    let bytes = Data((text + "\n").utf8)
    guard let handle = try? FileHandle(forWritingTo: url) else {
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      return try bytes.write(to: url)
    }
    defer { try? handle.close() }
    try handle.write(contentsOf: bytes)
    try handle.truncate(atOffset: UInt64(bytes.count))
  }
}

/// A number that two threads share.
private final class Shared: @unchecked Sendable {
  private let lock = NSLock()
  private var stored = 0.0

  var value: Double {
    get { lock.withLock { stored } }
    set { lock.withLock { stored = newValue } }
  }
}
