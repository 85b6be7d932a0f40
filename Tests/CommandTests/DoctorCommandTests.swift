import Foundation
import TestSupport
import Testing

/// `thimble doctor` on machines that are files.
@Suite struct DoctorCommandTests {
  private func levels(_ options: [String]) throws -> (status: Int32, levels: [String: String], text: [String: String]) {
    let result = try Program.run(["doctor", "--json"] + options)
    let findings = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: String]])
    func column(_ name: String) -> [String: String] {
      Dictionary(uniqueKeysWithValues: findings.compactMap { row in row["subject"].map { ($0, row[name] ?? "") } })
    }
    return (result.status, column("level"), column("text"))
  }

  @Test func aBareMachineIsToldWhatItLacks() throws {
    let folder = try TemporaryFolder()
    for path in ["proc/self", "sys/kernel/mm/transparent_hugepage"] {
      try FileManager.default.createDirectory(atPath: folder.path + "/" + path, withIntermediateDirectories: true)
    }
    _ = try folder.write(
      "proc/meminfo", Array("MemTotal: 1024000 kB\nMemAvailable: 512000 kB\nSwapTotal: 102400 kB\n".utf8))
    _ = try folder.write(
      "proc/swaps", Array("Filename Type Size Used Priority\n/dev/mmcblk0p3 partition 102400 0 -2\n".utf8))
    _ = try folder.write("proc/self/status", Array("Name: x\nUid:\t0\t0\t0\t0\n".utf8))
    _ = try folder.write("proc/self/limits", Array("Limit\nMax open files            256      4096     files\n".utf8))
    _ = try folder.write("sys/kernel/mm/transparent_hugepage/enabled", Array("[always] madvise never\n".utf8))
    let (status, levels, text) = try levels(["--root", folder.path, "--socket", folder.path + "/socket"])
    #expect(status == 0)
    for subject in ["user", "swap", "huge pages", "control group", "stalls", "open files", "heat"] {
      #expect(levels[subject] == "note", "\(subject)")
    }
    #expect(levels["memory"] == "fine" && text["memory"]?.contains("1000.00 MiB") == true, "\(text["memory"] ?? "")")
  }

  @Test func aFurnishedMachineIsFine() throws {
    let folder = try TemporaryFolder()
    for path in ["proc/self", "proc/pressure", "sys/kernel/security", "sys/fs/cgroup/memory/x"] {
      try FileManager.default.createDirectory(atPath: folder.path + "/" + path, withIntermediateDirectories: true)
    }
    _ = try folder.write(
      "proc/meminfo", Array("MemTotal: 1024000 kB\nMemAvailable: 512000 kB\nSwapTotal: 102400 kB\n".utf8))
    _ = try folder.write(
      "proc/swaps", Array("Filename Type Size Used Priority\n/dev/zram0 partition 102400 0 -2\n".utf8))
    _ = try folder.write("proc/self/status", Array("Uid:\t900\t900\t900\t900\nSeccomp:\t0\n".utf8))
    _ = try folder.write("proc/self/limits", Array("Max open files            4096      4096     files\n".utf8))
    _ = try folder.write("proc/self/cgroup", Array("3:memory:/x\n".utf8))
    _ = try folder.write("sys/fs/cgroup/memory/x/memory.limit_in_bytes", Array("67108864\n".utf8))
    _ = try folder.write("proc/pressure/memory", Array("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n".utf8))
    _ = try folder.write("sys/kernel/security/lsm", Array("landlock\n".utf8))
    let (_, levels, text) = try levels(["--root", folder.path, "--socket", folder.path + "/socket"])
    for subject in ["user", "swap", "huge pages", "control group", "stalls", "open files", "memory"] {
      #expect(levels[subject] == "fine", "\(subject)")
    }
    #expect(text["control group"] == "version 1, 64.00 MiB at most", "\(text["control group"] ?? "")")
    #expect(text["confinement"] == "the kernel has seccomp, Landlock")
  }

  @Test func whatKeepsADaemonFromStartingIsAProblem() throws {
    let (status, levels, _) = try levels(["--models", "/nonexistent/models", "--socket", "/nonexistent/socket"])
    #expect(status == 1 && levels["models"] == "problem" && levels["socket"] == "problem")
    let text = try Program.run(["doctor", "--models", "/nonexistent/models"])
    #expect(text.status == 1 && text.output.contains("✘ models") && text.output.contains("→ make the folder"))
  }
}
