import System

/// The budget where none is given: the least of 4 GiB, the memory cgroup's limit and half of the machine's memory.
public enum DefaultBudget {
  public static let greatestByteCount = 4 << 30

  /// `root` replaces `/` for tests.
  public static func byteCount(root: String = "", physicalByteCount: Int = Process.physicalMemoryByteCount) -> Int {
    var least = min(greatestByteCount, physicalByteCount / 2)
    if let limit = cgroupLimitByteCount(root: root) { least = min(least, limit) }
    return least
  }

  /// The least limit of this process's memory cgroup and its parents, version 2 or 1; nil where there is none.
  public static func cgroupLimitByteCount(root: String = "") -> Int? {
    guard let bytes = try? File.bytes(of: root + "/proc/self/cgroup", limit: 1 << 16) else { return nil }
    var least: Int?
    // Lines of `hierarchy:controllers:path`; version 2 has no controllers.
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let controllers = fields[1].split(separator: UInt8(ascii: ","))
      let path = fields[2]
      let found: Int?
      if controllers.isEmpty {
        found = leastLimit(path, under: root + "/sys/fs/cgroup", file: "memory.max")
      } else if controllers.contains(where: { $0.elementsEqual("memory".utf8) }) {
        found = leastLimit(path, under: root + "/sys/fs/cgroup/memory", file: "memory.limit_in_bytes")
      } else {
        continue
      }
      if let found { least = min(least ?? found, found) }
    }
    return least
  }

  /// The least limit from a group up to the root. A container sees its own group as the root, where the path does not
  /// exist; the mount point itself is therefore always asked.
  private static func leastLimit(_ path: ArraySlice<UInt8>, under mount: String, file: String) -> Int? {
    var parts = path.split(separator: UInt8(ascii: "/"))
    var least: Int?
    while true {
      var directory = mount
      for part in parts { directory += "/" + String(decoding: part, as: UTF8.self) }
      if let bytes = try? File.bytes(of: directory + "/" + file, limit: 4096) {
        let text = String(decoding: bytes.prefix(while: { $0 > 32 }), as: UTF8.self)
        // `max` and version 1's huge default mean no limit.
        if let limit = Int(text), limit < 1 << 60 { least = min(least ?? limit, limit) }
      }
      if parts.isEmpty { return least }
      parts.removeLast()
    }
  }
}
