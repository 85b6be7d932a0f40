import Foundation
import TestSupport
import Testing

/// `thimble serve`'s log, `thimble top` and `thimble models` beside a daemon of the same build.
@Suite struct TopCommandTests {
  /// A daemon that serves the project's models; ended with it.
  private final class Daemon {
    let socket: String
    private let log: String
    private let process = Foundation.Process()

    init(_ folder: TemporaryFolder, _ options: [String]) throws {
      socket = folder.file("socket")
      log = folder.file("log")
      try Data().write(to: URL(fileURLWithPath: log))
      process.executableURL = URL(fileURLWithPath: Program.built)
      let models = SharedFiles.package.appendingPathComponent("models").path
      process.arguments =
        ["serve", "--models", models, "--socket", socket, "--memory-budget", "64M", "--threads", "1"] + options
      process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
      var environment = ProcessInfo.processInfo.environment
      environment["JOURNAL_STREAM"] = nil
      process.environment = environment
      try process.run()
    }

    deinit { if process.isRunning { process.terminate() } }

    func waitUntilThere() throws {
      for _ in 0..<2000 where !FileManager.default.fileExists(atPath: socket) { usleep(5000) }
      try #require(FileManager.default.fileExists(atPath: socket), "\(lines)")
    }

    func stop() -> Int32 {
      process.terminate()
      process.waitUntilExit()
      return process.terminationStatus
    }

    var lines: [String] {
      ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n").map { String($0) }
    }
  }

  @Test(.timeLimit(.minutes(2))) func showsADaemon() throws {
    let folder = try TemporaryFolder()
    let daemon = try Daemon(folder, ["--log-format", "json", "--log-verbose", "1", "--trace-dir", folder.path])
    try daemon.waitUntilThere()
    let page = try Program.run(["top", "--socket", daemon.socket, "--once"])
    #expect(page.status == 0, "\(page.error)")
    for word in ["requests/s", "memory   [", "threads  1", "digits", "p99 ms"] {
      #expect(page.output.contains(word), "\(word): \(page.output)")
    }
    #expect(!page.output.contains("\u{1B}"))
    let picture = try Data(contentsOf: SharedFiles.package.appendingPathComponent("models/digits/heldout.bin"))[20..<84]
    let input = try folder.write("digit.bin", Array(picture))
    #expect(try Program.run(["infer", "--socket", daemon.socket, "digits", "--input", input]).status == 0)
    let json = try Program.run(["top", "--socket", daemon.socket, "--once", "--json"]).json()
    let models = try #require(json["models"] as? [[String: Any]])
    #expect(models.count == 1 && models[0]["requests"] as? Int == 1 && models[0]["failures"] as? Int == 0)
    #expect(models[0]["p50_ms"] as? Double ?? 0 > 0 && json["budget_bytes"] as? Int == 64 << 20)
    #expect((json["governor"] as? [String: Any])?["threads"] as? Int == 1)
    #expect(try Program.run(["models", "--socket", daemon.socket, "unload", "digits"]).output.contains("unloaded"))
    #expect(try Program.run(["top", "--socket", daemon.socket, "--once"]).output.contains("no models are loaded"))
    #expect(daemon.stop() == 0)
    // The log: an object a line.
    let lines = try daemon.lines.map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    #expect(lines.count > 3 && lines.allSatisfy { $0["time"] is String && $0["message"] is String })
    #expect(lines.contains { $0["level"] as? String == "verbose" && $0["version"] as? String == "1" })
    #expect(lines.contains { $0["level"] as? String == "info" && $0["model"] as? String == "digits" })
  }

  @Test func saysWhatIsWrong() throws {
    let folder = try TemporaryFolder()
    let nobody = try Program.run(["top", "--socket", folder.file("none"), "--once"])
    #expect(nobody.status == 1 && nobody.error.contains("none"))
    #expect(try Program.run(["top", "--help"]).output.contains("(default /run/thimble/thimble.sock)"))
    for options in [["--interval", "0"], ["extra"]] {
      #expect(try Program.run(["top"] + options).status == 2)
    }
    let serve = ["serve", "--models", folder.path, "--socket", folder.file("s")]
    for options in [["--log-format", "xml"], ["--trace-dir", folder.file("nowhere")], ["--log-verbose", "-1"]] {
      let result = try Program.run(serve + options)
      #expect(result.status == 2 && result.error.contains(options[0]), "\(result.error)")
    }
  }
}
