import Power
import TestSupport
import Testing

/// Threads never outnumber the processors that the control group pays for.
@Suite struct ProcessorLimitTests {
  /// A folder that stands for `/`, with these files.
  private func root(_ files: [String: String]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for (path, text) in files { _ = try folder.write(path, Array(text.utf8)) }
    return folder
  }

  @Test func withoutControlGroupsTheAffinityDecides() throws {
    #expect(ProcessorLimit.threadCount(root: "/nonexistent", usableCount: 6) == 6)
    let folder = try root(["proc/self/cgroup": "0::/\n"])
    #expect(ProcessorLimit.threadCount(root: folder.path, usableCount: 3) == 3)
  }

  @Test(arguments: [
    ("200000 100000", 2), ("150000 100000", 1), ("50000 100000", 1), ("max 100000", 8), ("900000 100000", 8),
    ("0 100000", 8), ("100000 0", 8), ("-1 100000", 8), ("nonsense", 8), ("", 8),
  ])
  func quotaOfVersion2(_ text: String, _ expected: Int) throws {
    let folder = try root(["proc/self/cgroup": "0::/app\n", "sys/fs/cgroup/app/cpu.max": text + "\n"])
    #expect(ProcessorLimit.threadCount(root: folder.path, usableCount: 8) == expected)
  }

  @Test func theLeastQuotaOfAllParentsCounts() throws {
    let folder = try root([
      "proc/self/cgroup": "0::/pod/app\n", "sys/fs/cgroup/pod/cpu.max": "300000 100000\n",
      "sys/fs/cgroup/pod/app/cpu.max": "max 100000\n",
    ])
    #expect(ProcessorLimit.threadCount(root: folder.path, usableCount: 8) == 3)
  }

  @Test(arguments: [("400000", 4), ("-1", 8)]) func quotaOfVersion1(_ quota: String, _ expected: Int) throws {
    let folder = try root([
      "proc/self/cgroup": "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n",
      "sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us": quota + "\n",
      "sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us": "100000\n",
    ])
    #expect(ProcessorLimit.threadCount(root: folder.path, usableCount: 8) == expected)
  }

  /// A container's own group is its root, where the path from the host does not exist.
  @Test func theMountPointIsAsked() throws {
    let folder = try root(["proc/self/cgroup": "0::/kubepods/pod1/abc\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"])
    #expect(ProcessorLimit.threadCount(root: folder.path, usableCount: 4) == 1)
  }
}
