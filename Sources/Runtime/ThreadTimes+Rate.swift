extension ThreadTimes {
  /// The share of a period that a run may take where a rate is promised: the rest absorbs what varies.
  static let periodShareMax = 0.75

  /// The fewest threads that keep up so many runs a second with room to spare, else the worthwhile number; nil where nothing has
  /// been measured. A stream that never takes more than it needs is as fast when the device is warm as when it was cold.
  public func threadCount(forRunsPerSecond rate: Double) -> Int? {
    guard let most = worthwhileThreadCount else { return nil }
    guard rate > 0 else { return most }
    let period = 1e9 / rate
    for time in times where time.threadCount < most && Double(time.nanoseconds) <= period * ThreadTimes.periodShareMax {
      return time.threadCount
    }
    return most
  }
}
