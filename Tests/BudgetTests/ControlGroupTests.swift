import Foundation
import TestSupport
import Testing

/// The kernel as referee: a memory cgroup (version 1) as large as the least budget.
@Suite(.serialized) struct ControlGroupTests {
  static let mount = "/sys/fs/cgroup/memory"

  /// Whether groups can be made here.
  static let isWritable: Bool = {
    let path = mount + "/thimble-test-probe-\(getpid())"
    let works = FileManager.default.fileExists(atPath: mount + "/memory.limit_in_bytes") && mkdir(path, 0o755) == 0
    if works {
      rmdir(path)
    } else {
      FileHandle.standardError.write(
        Data("SKIPPED: memory cgroups: \(mount) is not a writable version 1 hierarchy\n".utf8))
    }
    return works
  }()

  /// Runs the program in a group of its own; returns its result, and how often the limit was met and processes killed.
  private func run(_ words: [String], limit: Int) throws -> (result: Program.Result, killed: Int, mostBytes: Int) {
    let group = Self.mount + "/thimble-test-\(getpid())-\(UUID().uuidString.prefix(8))"
    try #require(mkdir(group, 0o755) == 0)
    defer { rmdir(group) }
    try Data("\(limit)".utf8).write(to: URL(fileURLWithPath: group + "/memory.limit_in_bytes"))
    let result = try Program.run(
      ["-c", "echo $$ > \(group)/cgroup.procs && exec \"$@\"", "sh", Program.chosen] + words, program: "/bin/sh")
    func text(_ name: String) -> String { (try? String(contentsOfFile: group + "/" + name, encoding: .utf8)) ?? "" }
    let kills = text("memory.oom_control").split(separator: "\n").first { $0.hasPrefix("oom_kill ") }
    return (
      result, kills.flatMap { Int($0.dropFirst("oom_kill ".count)) } ?? 0,
      Int(text("memory.max_usage_in_bytes").trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
    )
  }

  /// What the kernel charges to the group and no resident set shows: page tables, stacks and descriptors of threads, the
  /// shell that starts the program.
  static let kernelByteCount = 512 * 1024

  @Test(.enabled(if: isWritable, "memory cgroups are not writable"), arguments: SharedFiles.models)
  func theLeastBudgetIsEnoughForTheKernelToo(_ path: String) throws {
    let folder = try TemporaryFolder()
    let model = folder.file("model.thimble")
    #expect(try Program.run(["import", path, "-o", model], program: Program.chosen).status == 0)
    let generous = try Program.run(
      ["bench", model, "--runs", "1", "--threads", "2", "--json"], program: Program.chosen)
    let reserved = try #require(try generous.json()["reserved_bytes"] as? Int) + 64 * 1024
    let (result, killed, mostBytes) = try run(
      ["bench", model, "--runs", "1", "--threads", "2", "--memory-budget", "\(reserved)", "--json"],
      limit: reserved + Self.kernelByteCount)
    #expect(
      result.status == 0 && killed == 0,
      "\(path): status \(result.status), \(killed) killed, \(mostBytes) bytes: \(result.error)")
  }

  @Test(.enabled(if: isWritable, "memory cgroups are not writable")) func theLimitIsTheDefaultBudget() throws {
    let limit = 48 << 20
    let (result, killed, _) = try run(["bench", SharedFiles.digits, "--runs", "1", "--json"], limit: limit)
    #expect(result.status == 0 && killed == 0, "\(result.error)")
    #expect(try result.json()["memory_budget_bytes"] as? Int == limit)
  }
}
