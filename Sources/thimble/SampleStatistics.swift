import Protocols

/// What a number of times have in common. Nanoseconds.
struct SampleStatistics {
  private let sorted: [Int64]

  /// Precondition: there is at least one.
  init(_ samples: [Int64]) {
    precondition(!samples.isEmpty)
    sorted = samples.sorted()
  }

  var count: Int { sorted.count }
  var least: Double { Double(sorted[0]) }
  var median: Double { quantile(0.5) }
  /// The middle half's width over the median.
  var spread: Double { (quantile(0.75) - quantile(0.25)) / max(1, median) }

  /// The least sample of which `share` of all are at most as large.
  func quantile(_ share: Double) -> Double {
    Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))])
  }

  /// As members of an object that is open.
  func write(to json: inout JSONWriter) {
    json.member("min_ms", least / 1e6)
    json.member("p50_ms", median / 1e6)
    json.member("p90_ms", quantile(0.9) / 1e6)
    json.member("p99_ms", quantile(0.99) / 1e6)
    json.member("spread", spread)
  }

  var sum: Double { sorted.reduce(0.0) { $0 + Double($1) } }
}
