import System

/// The budget where none is given: the least of 4 GiB, the memory cgroup's limit, what the target allows and half of the
/// machine's memory.
public enum DefaultBudget {
  public static let greatestByteCount = 4 << 30

  /// `root` replaces `/` for tests; `targetByteCount` is nil where the machine's kind is not known.
  public static func byteCount(
    root: String = "", physicalByteCount: Int = Process.physicalMemoryByteCount, targetByteCount: Int? = nil
  ) -> Int {
    var least = min(greatestByteCount, physicalByteCount / 2)
    if let targetByteCount { least = min(least, targetByteCount) }
    if let limit = cgroupLimitByteCount(root: root) { least = min(least, limit) }
    return least
  }

  /// The least limit of this process's memory cgroup and its parents, version 2 or 1; nil where there is none.
  public static func cgroupLimitByteCount(root: String = "") -> Int? {
    var least: Int?
    for group in ControlGroups.read(root: root) where group.isUnified || group.controllers.contains("memory") {
      let file = group.isUnified ? "/memory.max" : "/memory.limit_in_bytes"
      for directory in group.directories(root: root, controller: "memory") {
        // `max` and version 1's huge default mean no limit.
        guard let limit = ControlGroups.words(in: directory + file).first.flatMap({ Int($0) }), limit < 1 << 60 else {
          continue
        }
        least = min(least ?? limit, limit)
      }
    }
    return least
  }
}
