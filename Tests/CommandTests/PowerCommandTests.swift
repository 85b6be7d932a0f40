import Foundation
import Synchronization
import TestSupport
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// `thimble power`: what sensors say, what is decided, and what would have been from a trace.
@Suite struct PowerCommandTests {
  private let targets = SharedFiles.package.appendingPathComponent("targets").path
  private let profiles = SharedFiles.package.appendingPathComponent("power-profiles").path

  private func power(_ options: [String], status: Int32 = 0) throws -> Program.Result {
    let result = try Program.run(["power", "--targets", targets, "--profiles", profiles] + options)
    #expect(result.status == status, "\(options): \(result.error)")
    return result
  }

  @Test func thisMachine() throws {
    let result = try power([])
    for word in ["processors", "state", "decision", "reason"] { #expect(result.output.contains(word)) }
    let json = try power(["--json"]).json()
    let decision = try #require(json["decision"] as? [String: Any])
    #expect(decision["threads"] as? Int ?? 0 >= 1 && json["sensors"] is [String: Any])
  }

  @Test(arguments: [
    (SensorTree.Board.raspberryPi4, "raspberry-pi-4", ["cpu-thermal", "48.3 °C", "passive 80.0 °C", "1800 MHz"]),
    (.raspberryPi5, "raspberry-pi-5", ["pwm-fan", "1 of 4", "passive 80.0 °C"]),
    (.jetsonOrinNano, "jetson-orin-nano", ["tj-thermal", "15W, 6 cores, 1510 MHz"]),
    (.rk3588, "rk3588", ["bigcore0-thermal", "4-7", "capacity 397"]),
    (.laptop, "generic-x86-64", ["63 %, discharging 13.8 W, 31.2 °C", "Processor × 8", "power-saver", "1.53 %"]),
    (.container, "generic-x86-64", ["quota", "1.50", "2-5"]),
  ]) func boards(_ board: SensorTree.Board, _ target: String, _ words: [String]) throws {
    let tree = try SensorTree.board(board)
    let result = try power(["--root", tree.path])
    for word in words + ["target      " + target] { #expect(result.output.contains(word), "\(word): \(result.output)") }
    let json = try power(["--root", tree.path, "--json"]).json()
    #expect(json["target"] as? String == target)
  }

  @Test func recordedReadingsReplay() throws {
    let tree = try SensorTree.rk3588()
    let folder = try TemporaryFolder()
    let trace = folder.file("trace.jsonl")
    for _ in 0..<2 { _ = try power(["--root", tree.path, "--record", trace, "--seconds", "1"]) }
    let lines = try String(contentsOfFile: trace, encoding: .utf8).split(separator: "\n")
    #expect(lines.count >= 4 && lines.filter { $0.hasPrefix(#"{"time_ms":0,"#) }.count == 2)
    let result = try power(["--replay", trace, "--target", "rk3588"])
    #expect(result.output.contains("\(lines.count) readings, ") && result.output.contains("threads"))
    // A line that was cut off is left out, and said.
    _ = try folder.write("trace.jsonl", Array((lines.joined(separator: "\n") + #"\#n{"time_ms":9000,"zon"#).utf8))
    #expect(try power(["--replay", trace]).error.contains("1 cut-off line"))
  }

  /// A board heats up and cools down: the decisions follow, and the page shows them.
  @Test func aHotTraceIsShown() throws {
    let folder = try TemporaryFolder()
    var lines: [String] = []
    for second in 0..<600 {
      let temperature = second < 300 ? 50_000 + 120 * second : max(45_000, 86_000 - 200 * (second - 300))
      lines.append(
        #"{"time_ms":\#(1000 * second),"zones":[{"number":0,"type":"cpu<&>","temperature":\#(temperature),"#
          + #""passive":80000,"critical":110000}],"clusters":[{"cores":[0,1,2,3],"capacity":1024}]}"#)
    }
    let trace = try folder.write("trace.jsonl", Array(lines.joined(separator: "\n").utf8))
    let page = folder.file("page.html")
    let result = try power(["--replay", trace, "--html", page])
    #expect(result.output.contains("600 readings, 9:59.0") && result.output.contains("S serious"))
    #expect(result.output.contains("▇") && result.output.contains("nominal "))
    let bytes = try Data(contentsOf: URL(fileURLWithPath: page))
    #expect(XMLParser(data: bytes).parse())
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.contains("<polyline") && text.contains("trip 80.0 °C") && !text.contains("<script"))
    let json = try power(["--replay", trace, "--json"]).json()
    #expect(json["samples"] as? Int == 600 && json["milliseconds"] as? Int == 599_000)
    let decisions = try #require(json["decisions"] as? [[String: Any]])
    let threads = decisions.compactMap { $0["threads"] as? Int }
    #expect(decisions.count >= 3 && threads.count == decisions.count && threads.allSatisfy { $0 >= 1 })
    let states = try #require(json["state_milliseconds"] as? [String: Int])
    #expect(states.values.reduce(0, +) == 599_000)
  }

  @Test func watchingSaysEachChangeOnce() throws {
    let tree = try SensorTree.raspberryPi4()
    let result = try power(["--root", tree.path, "--watch", "--seconds", "1"])
    #expect(result.output.split(separator: "\n").count == 1 && result.output.contains("nominal on mains"))
  }

  /// Quotas move while it watches; the kernel tells of each.
  @Test func changesAreWatched() throws {
    let tree = try SensorTree.container()
    let ends = Mutex(false)
    let mover = Thread {
      var isWide = false
      while !ends.withLock({ $0 }) {
        isWide.toggle()
        try? tree.set("sys/fs/cgroup/pod/app/cpu.max", isWide ? "300000 100000" : "100000 100000")
        Thread.sleep(forTimeInterval: 0.2)
      }
    }
    mover.start()
    defer { ends.withLock { $0 = true } }
    let result = try power(["--root", tree.path, "--watch", "--seconds", "3"])
    let lines = result.output.split(separator: "\n")
    #expect(lines.count >= 2, "\(result.output)")
    #expect(lines.contains { $0.contains(": 1 thread:") } && lines.contains { $0.contains(": 3 threads:") })
  }

  @Test func wrongUsesAreOneClearLine() throws {
    let folder = try TemporaryFolder()
    let bad = try folder.write("bad.jsonl", Array("{}\n".utf8))
    for (options, status, reason) in [
      (["x"], 2, "power takes options only"), (["--root", "/nonexistent"], 1, "--root /nonexistent is no directory"),
      (["--replay", "/nonexistent"], 1, "/nonexistent"), (["--replay", bad], 1, "line 1: time_ms must be given"),
      (["--replay", bad, "--watch"], 2, "does not go with --watch"), (["--html", "x"], 2, "--html goes with"),
      (["--record", "/nonexistent/x", "--seconds", "1"], 1, "/nonexistent/x"),
      (["--seconds", "0"], 2, "--seconds takes"), (["--target", "toaster"], 1, "there is no target toaster"),
      (["--profile", "toaster"], 1, "toaster"),
    ] as [([String], Int32, String)] {
      let result = try power(options, status: status)
      #expect(result.error.contains(reason) && result.output.isEmpty, "\(options): \(result.error)")
      #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
    }
  }
}
