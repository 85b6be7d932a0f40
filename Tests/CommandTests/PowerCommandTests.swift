import Foundation
import TestSupport
import Testing

/// `thimble power`: what sensors say, once, over time and in a trace.
@Suite struct PowerCommandTests {
  private let targets = SharedFiles.package.appendingPathComponent("targets").path

  private func power(_ options: [String], status: Int32 = 0) throws -> Program.Result {
    let result = try Program.run(["power", "--targets", targets] + options)
    #expect(result.status == status, "\(options): \(result.error)")
    return result
  }

  @Test func thisMachine() throws {
    let result = try power([])
    #expect(result.output.contains("processors"))
    #expect(try power(["--json"]).json()["sensors"] is [String: Any])
  }

  @Test(arguments: [
    (SensorTree.Board.raspberryPi4, "raspberry-pi-4", ["cpu-thermal", "48.3 °C", "passive 80.0 °C", "1800 MHz"]),
    (.raspberryPi5, "raspberry-pi-5", ["pwm-fan", "1 of 4", "passive 80.0 °C"]),
    (.jetsonOrinNano, "jetson-orin-nano", ["tj-thermal", "15W, 6 cores, 1510 MHz", "failed"]),
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

  @Test func readingsAreRecorded() throws {
    let tree = try SensorTree.rk3588()
    let folder = try TemporaryFolder()
    let trace = folder.file("trace.jsonl")
    for _ in 0..<2 { _ = try power(["--root", tree.path, "--record", trace, "--seconds", "1"]) }
    let lines = try String(contentsOfFile: trace, encoding: .utf8).split(separator: "\n")
    #expect(lines.count >= 4 && lines.filter { $0.hasPrefix(#"{"time_ms":0,"#) }.count == 2)
  }

  @Test func wrongUsesAreOneClearLine() throws {
    for (options, status, reason) in [
      (["x"], 2, "power takes options only"), (["--root", "/nonexistent"], 1, "--root /nonexistent is no directory"),
      (["--record", "/nonexistent/x", "--seconds", "1"], 1, "/nonexistent/x"),
      (["--seconds", "0"], 2, "--seconds takes"), (["--target", "toaster"], 1, "there is no target toaster"),
    ] as [([String], Int32, String)] {
      let result = try power(options, status: status)
      #expect(result.error.contains(reason) && result.output.isEmpty, "\(options): \(result.error)")
      #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
    }
  }
}
