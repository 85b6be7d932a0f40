import Foundation
import TestSupport
import Testing

/// What the kind of device does to the default budget.
@Suite struct TargetCommandTests {
  private let targets = SharedFiles.package.appendingPathComponent("targets").path

  private func budget(_ options: [String]) throws -> Int? {
    let result = try Program.run(["bench", SharedFiles.digits, "--runs", "1", "--json"] + options)
    #expect(result.status == 0, "\(result.error)")
    return try result.json()["memory_budget_bytes"] as? Int
  }

  @Test func aTargetLowersTheDefault() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("small.json", Array(#"{"memory":{"budget_bytes":50331648}}"#.utf8))
    #expect(try budget(["--targets", folder.path, "--target", "small"]) == 48 << 20)
    // Nothing recognises this machine by that file.
    let unknown = try #require(try budget(["--targets", folder.path]))
    _ = try folder.write(
      "smaller.json", Array(#"{"recognised_by":{"architecture":"x86_64"},"memory":{"budget_bytes":33554432}}"#.utf8))
    _ = try folder.write(
      "arm.json", Array(#"{"recognised_by":{"architecture":"aarch64"},"memory":{"budget_bytes":33554432}}"#.utf8))
    #expect(try budget(["--targets", folder.path]) == 32 << 20)
    #expect(unknown > 48 << 20 && unknown <= 4 << 30)
    // By hand it is what is said, whatever the target.
    #expect(try budget(["--targets", folder.path, "--target", "small", "--memory-budget", "64M"]) == 64 << 20)
    #expect(try budget(["--targets", folder.path, "--memory-budget", "6G"]) == 6 << 30)
  }

  @Test func shippedTargetsAreTaken() throws {
    let plain = try #require(try budget([]))
    let recognised = try #require(try budget(["--targets", targets]))
    #expect(recognised <= plain && recognised > plain / 4)
    // The device has at most what this machine has: half of what the GPU leaves, or less.
    let pi = try #require(try budget(["--targets", targets, "--target", "raspberry-pi-5"]))
    #expect(pi <= plain && pi > 0)
  }

  @Test func wrongTargetsAreOneClearLine() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("bad.json", Array("{".utf8))
    let cases: [([String], String)] = [
      (
        ["--targets", targets, "--target", "toaster"],
        "there is no target toaster in \(targets): it has generic-aarch64"
      ),
      (["--targets", "/nonexistent"], "cannot list /nonexistent"),
      (["--targets", folder.path], folder.path + "/bad.json: "),
      (["--targets", targets, "--target", "../bad"], "a name is"),
      (["--targets", targets, "--target", "toaster", "--memory-budget", "64M"], "there is no target toaster"),
    ]
    for command in [["bench"], ["inspect"]] {
      for (options, message) in cases {
        let result = try Program.run(command + [SharedFiles.digits] + options)
        #expect(result.status == 1 && result.output.isEmpty)
        #expect(result.error.hasPrefix("thimble \(command[0]): " + message), "\(result.error)")
      }
    }
  }
}
