import System

/// How many threads can compute at once: the least of what the affinity mask, the control group and the machine allow.
///
/// More threads than that take turns and are slower than fewer: a container limited to one processor on an eight-core
/// machine sees eight, and must still run one thread.
public enum ProcessorLimit {
  /// At least 1. `root` replaces `/` for tests; `usableCount` is what the affinity mask allows.
  public static func threadCount(root: String = "", usableCount: Int = Thread.usableProcessorCount) -> Int {
    max(1, min(usableCount, controlGroupQuota(root: root).map { max(1, Int($0)) } ?? usableCount))
  }

  /// Processors that the control group's quota is worth, the least from this process's group up to the root; nil where
  /// there is no quota. Version 2: `cpu.max` holds "quota period" or "max period"; version 1: two files, −1 for none.
  static func controlGroupQuota(root: String) -> Double? {
    leastQuota(of: GroupLimits(root: root).quotaDirectories)
  }

  static func leastQuota(of directories: [(path: String, isUnified: Bool)]) -> Double? {
    var least: Double?
    for directory in directories {
      let quota = directory.isUnified ? unifiedQuota(directory.path) : legacyQuota(directory.path)
      if let quota { least = min(least ?? quota, quota) }
    }
    return least
  }

  private static func unifiedQuota(_ directory: String) -> Double? {
    let words = ControlGroups.words(in: directory + "/cpu.max")
    guard words.count == 2, let quota = Int(words[0]), let period = Int(words[1]), quota > 0, period > 0 else {
      return nil
    }
    return Double(quota) / Double(period)
  }

  private static func legacyQuota(_ directory: String) -> Double? {
    guard let quota = ControlGroups.words(in: directory + "/cpu.cfs_quota_us").first.flatMap({ Int($0) }), quota > 0,
      let period = ControlGroups.words(in: directory + "/cpu.cfs_period_us").first.flatMap({ Int($0) }), period > 0
    else { return nil }
    return Double(quota) / Double(period)
  }
}
