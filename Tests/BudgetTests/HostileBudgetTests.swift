import Foundation
import TestSupport
import Testing

/// Small files that ask for much are refused, or stay within the budget.
@Suite(.serialized) struct HostileBudgetTests {
  /// Runs a command through a shell that says its peak; checks it against the budget.
  @discardableResult
  private func run(_ words: [String], budget: Int) throws -> Program.Result {
    let folder = try TemporaryFolder()
    let peakFile = folder.file("peak")
    let result = try Program.run(
      ["-c", Self.script, peakFile, Program.chosen] + words + ["--memory-budget", "\(budget)K"],
      program: "/usr/bin/python3")
    let peak = try #require(Int(String(decoding: try SharedFiles.bytes(peakFile), as: UTF8.self)))
    #expect(peak <= budget, "\(words): peak \(peak) KiB, budget \(budget) KiB: \(result.error)")
    #expect(result.status == 0 || result.status == 1)
    return result
  }

  private static let script = """
    import resource, subprocess, sys
    status = subprocess.run(sys.argv[2:]).returncode
    open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
    sys.exit(status)
    """

  static let isThere = FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")

  private func attack(_ file: String) throws {
    for command in [["bench", "--runs", "1", "--threads", "1"], ["inspect", "--json"]] {
      for budget in [24 << 10, 64 << 10] { try run([command[0], file] + command[1...], budget: budget) }
    }
  }

  @Test(.enabled(if: isThere)) func manyOperators() throws {
    let folder = try TemporaryFolder()
    try attack(try folder.write("reshapes.thimble", try HostileModels.reshapes(16_383)))
  }

  @Test(.enabled(if: isThere)) func sparseConstants() throws {
    let folder = try TemporaryFolder()
    try attack(try folder.write("sparse.thimble", try HostileModels.sparseConstants(400)))
  }

  @Test(.enabled(if: isThere)) func oneTensorManyTimes() throws {
    let folder = try TemporaryFolder()
    for count in [16_000, 500_000] {
      let file = try folder.write("many.tflite", HostileModels.oneTensorManyTimes(count))
      try attack(file)
      #expect(try run(["import", file, "-o", folder.file("x")], budget: 24 << 10).status == 1)
    }
  }

  @Test(.enabled(if: isThere)) func largePicture() throws {
    let folder = try TemporaryFolder()
    let picture = try folder.write(
      "large.pgm", Array("P5 6000 5000 255\n".utf8) + [UInt8](repeating: 1, count: 30_000_000))
    let words = ["run", SharedFiles.digits, "--image", picture, "--threads", "1"]
    #expect(try run(words, budget: 20 << 10).error.contains("out of memory budget"))
    #expect(try run(words, budget: 128 << 10).status == 0)
  }
}
