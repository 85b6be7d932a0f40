/// The control groups of this process, as /proc/self/cgroup lists them.
public struct ControlGroups: Sendable {
  /// Controllers of a version 1 hierarchy; empty for version 2, which has one hierarchy for all.
  public let controllers: [String]
  /// The group's path below the hierarchy's mount point.
  private let path: [String]

  public var isUnified: Bool { controllers.isEmpty }

  /// Every hierarchy's group; none where the kernel has no control groups. `root` replaces `/` for tests.
  public static func read(root: String = "") -> [ControlGroups] {
    guard let bytes = try? File.bytes(of: root + "/proc/self/cgroup", limit: 1 << 16) else { return [] }
    return bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
      // `number:controllers:path`
      let fields = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { return nil }
      return ControlGroups(
        controllers: fields[1].split(separator: UInt8(ascii: ",")).map { String(decoding: $0, as: UTF8.self) },
        path: fields[2].split(separator: UInt8(ascii: "/")).map { String(decoding: $0, as: UTF8.self) })
    }
  }

  /// The group's directory and those of its parents, the mount point last. A container sees its own group as the root, where
  /// the path does not exist: the mount point itself is therefore always among them.
  public func directories(root: String = "", controller: String) -> [String] {
    var directories: [String] = []
    var directory = root + "/sys/fs/cgroup" + (isUnified ? "" : "/" + controller)
    directories.append(directory)
    for part in path {
      directory += "/" + part
      directories.append(directory)
    }
    return directories.reversed()
  }

  /// The words of a small file; none where it cannot be read.
  public static func words(in path: String) -> [String] {
    guard let bytes = try? File.bytes(of: path, limit: 4096) else { return [] }
    return bytes.split(whereSeparator: { $0 <= 32 }).map { String(decoding: $0, as: UTF8.self) }
  }
}
