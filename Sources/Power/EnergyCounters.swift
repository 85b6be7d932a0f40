import System

/// The processors' own counters of energy (powercap), often for root only.
struct EnergyCounters {
  private struct Counter {
    let path: String
    let range: Int64
    var last: Int64?
  }

  private var counters: [Counter] = []
  private var total: Int64 = 0
  private var hasCounted = false

  /// Whole packages only: their parts are in them, and so is what `intel-rapl-mmio` counts once more.
  mutating func scan(root: String) {
    let known = counters
    counters = SensorFile.numbered("intel-rapl:", in: root + "/sys/class/powercap").compactMap { _, path in
      guard let name = SensorFile.text(path, "/name"), name.utf8.starts(with: "package".utf8) else { return nil }
      let range = SensorFile.number(path, "/max_energy_range_uj") ?? 0
      return Counter(path: path, range: max(0, range), last: known.first { $0.path == path }?.last)
    }
  }

  /// Microjoules since the first reading; nil where no counter can be read.
  mutating func read() -> Int64? {
    for index in counters.indices {
      guard let now = SensorFile.number(counters[index].path, "/energy_uj"), now >= 0 else { continue }
      hasCounted = true
      if let last = counters[index].last {
        // A counter starts anew after its range, which a driver may not know.
        let step = now >= last ? now - last : max(0, counters[index].range - last) + min(now, counters[index].range)
        let (sum, overflows) = total.addingReportingOverflow(step)
        if !overflows { total = sum }
      }
      counters[index].last = now
    }
    return hasCounted ? total : nil
  }
}
