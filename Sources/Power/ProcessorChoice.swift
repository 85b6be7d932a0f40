/// How many threads an effort means on this machine now, and where they run.
struct ProcessorChoice {
  let threadCount: Int
  /// Empty: the kernel chooses among all.
  let processors: [Int]
  /// What holds the number down besides the profile, for people.
  let limit: String?

  init(_ readings: PowerReadings, _ effort: PowerProfile.Effort) {
    let clusters = ProcessorChoice.clusters(readings.clusters, effort.cores)
    let coreCount = clusters.reduce(0) { $0 + $1.cores.count }
    var count: Int
    switch effort.threads {
    case .count(let wanted): count = wanted
    case .percent(let percent): count = coreCount * max(0, min(100, percent)) / 100
    }
    var limit: String?
    if coreCount > 0 { count = min(count, coreCount) }
    if let quota = readings.processorQuota, quota.isFinite, max(1, quota) < Double(count) + 1 {
      let allowed = Int(max(1, quota))
      if allowed < count {
        limit = "the control group allows \(allowed) processor\(allowed == 1 ? "" : "s")"
        count = allowed
      }
    }
    threadCount = max(1, count)
    self.limit = limit
    // The strongest clusters that the threads need, one hardware thread of each core.
    var chosen: [Int] = []
    for cluster in clusters where chosen.count < threadCount { chosen += cluster.cores }
    let all = readings.clusters.reduce(0) { $0 + $1.cores.count + $1.siblings.count }
    processors = chosen.count < all ? chosen : []
  }

  private static func clusters(
    _ all: [PowerReadings.ProcessorCluster], _ wanted: PowerProfile.CoreClass
  ) -> [PowerReadings.ProcessorCluster] {
    let capacities = all.map { $0.capacity }
    switch wanted {
    case .any: return all.sorted { $0.capacity > $1.capacity }
    case .big: return all.filter { $0.capacity == capacities.max() }
    case .little: return all.filter { $0.capacity == capacities.min() }
    }
  }
}
