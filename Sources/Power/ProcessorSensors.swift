import System

/// The processors that are online and that this process may use, and how fast they may be.
struct ProcessorSensors {
  /// What decides the clusters, as last seen.
  private struct Membership: Equatable {
    var online: [UInt8]?
    var allowed: [UInt8]?
    var usable: [Int]
  }

  /// Processors with one clock.
  private struct Clock {
    let capFile: String
    let processors: [Int]
    let frequencyMax: Int
  }

  private static let frequencies = 1...100_000_000
  private var membership: Membership?
  private var clusters: [PowerReadings.ProcessorCluster] = []
  private var clocks: [Clock] = []

  var hasClocks: Bool { !clocks.isEmpty }

  /// Forgets what was found: the next `read` looks again.
  mutating func scan() { membership = nil }

  /// `usable` is the affinity mask's. A failing file leaves its part out; never without a processor.
  mutating func read(root: String, usable: [Int], limits: GroupLimits, into readings: inout PowerReadings) {
    let directory = root + "/sys/devices/system/cpu"
    let now = Membership(
      online: SensorFile.bytes(directory, "/online"), allowed: limits.processorsFile.flatMap { SensorFile.bytes($0) },
      usable: usable)
    if membership != now {
      membership = now
      findClocks(directory)
      findClusters(directory, available(now))
    }
    readings.clusters = clusters
    for index in clusters.indices { readCap(of: &readings.clusters[index]) }
  }

  private func available(_ membership: Membership) -> [Int] {
    var available: [Int] = []
    for list in [
      membership.usable, membership.online.flatMap { SensorFile.processors($0) } ?? [],
      membership.allowed.flatMap { SensorFile.processors($0) } ?? [],
    ] where !list.isEmpty {
      // What contradicts the rest is not believed.
      let both = available.filter { list.contains($0) }
      available = available.isEmpty ? list : both.isEmpty ? available : both
    }
    return available.isEmpty ? [0] : available
  }

  private mutating func findClocks(_ directory: String) {
    clocks = SensorFile.numbered("policy", in: directory + "/cpufreq").compactMap { _, path in
      guard let processors = SensorFile.processors(path, "/related_cpus"),
        let frequency = SensorFile.number(path, "/cpuinfo_max_freq", in: ProcessorSensors.frequencies)
      else { return nil }
      return Clock(capFile: path + "/scaling_max_freq", processors: processors, frequencyMax: frequency)
    }
  }

  private func frequency(of processor: Int) -> Int? {
    clocks.first { $0.processors.contains(processor) }?.frequencyMax
  }

  private mutating func findClusters(_ directory: String, _ available: [Int]) {
    // One of each core's threads, and the others.
    var cores: [(processor: Int, siblings: [Int])] = []
    var left = available
    while let processor = left.first {
      var siblings = SensorFile.processors(directory, "/cpu\(processor)/topology/thread_siblings_list") ?? []
      siblings = siblings.filter { $0 != processor && left.contains($0) }
      left.removeAll { $0 == processor || siblings.contains($0) }
      cores.append((processor, siblings))
    }
    let capacities = capacities(of: cores.map { $0.processor }, directory)
    clusters = []
    var isPlaced = [Bool](repeating: false, count: cores.count)
    // The strongest that is left, and all that are like it.
    while true {
      var most = 0
      for index in cores.indices where !isPlaced[index] { most = max(most, capacities[index]) }
      if most == 0 { return }
      var cluster = PowerReadings.ProcessorCluster(cores: [], capacity: most)
      for index in cores.indices where !isPlaced[index] && capacities[index] * 8 >= most * 7 {
        isPlaced[index] = true
        cluster.cores.append(cores[index].processor)
        cluster.siblings += cores[index].siblings
      }
      clusters.append(cluster)
    }
  }

  /// 1,024 for the strongest: what the kernel says, else by frequency, else all alike.
  private func capacities(of cores: [Int], _ directory: String) -> [Int] {
    let told = cores.compactMap { SensorFile.number(directory, "/cpu\($0)/cpu_capacity", in: 1...65_536) }
    if told.count == cores.count { return told }
    let frequencies = cores.compactMap { frequency(of: $0) }
    guard frequencies.count == cores.count, let greatest = frequencies.max() else {
      return cores.map { _ in 1024 }
    }
    return frequencies.map { max(1, $0 * 1024 / greatest) }
  }

  /// Of the cluster's clocks the one that is held down most speaks for it.
  private func readCap(of cluster: inout PowerReadings.ProcessorCluster) {
    for clock in clocks where cluster.cores.contains(where: { clock.processors.contains($0) }) {
      // A clock whose processors have gone says nothing.
      let cap = SensorFile.number(clock.capFile, in: ProcessorSensors.frequencies)
      if let most = cluster.frequencyMax {
        let share = Double(cap ?? clock.frequencyMax) / Double(clock.frequencyMax)
        let shareBefore = Double(cluster.frequencyCap ?? most) / Double(most)
        if share > shareBefore || share == shareBefore && clock.frequencyMax <= most { continue }
      }
      cluster.frequencyMax = clock.frequencyMax
      cluster.frequencyCap = cap
    }
  }
}
