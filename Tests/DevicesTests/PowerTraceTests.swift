import Foundation
import Power
import Protocols
import System
import TestSupport
import Testing

@testable import Devices

/// Traces: what is written reads back as the same, and what is not a trace is one clear error.
@Suite struct PowerTraceTests {
  private static let second: Int64 = 1_000_000_000

  private func readings(_ board: SensorTree.Board) throws -> PowerReadings {
    let tree = try SensorTree.board(board)
    return PowerSensors(root: tree.path, usableProcessors: board.processors).read(nowNanoseconds: 0)
  }

  /// Every sample, or what is wrong.
  private func read(_ path: String) throws(PowerTraceError) -> [PowerTrace.Sample] {
    var reader = try PowerTraceReader(path: path)
    var samples: [PowerTrace.Sample] = []
    while let sample = try reader.next() { samples.append(sample) }
    return samples
  }

  private func error(_ path: String) -> String? {
    do throws(PowerTraceError) { _ = try read(path) } catch { return error.message }
    return nil
  }

  private func trace(_ lines: [String], end: String = "\n") throws -> (folder: TemporaryFolder, path: String) {
    let folder = try TemporaryFolder()
    return (folder, try folder.write("t.jsonl", Array((lines.joined(separator: "\n") + end).utf8)))
  }

  @Test func whatIsWrittenReadsBack() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("t.jsonl")
    var expected: [PowerReadings] = []
    for board in SensorTree.Board.allCases { expected.append(try readings(board)) }
    expected[0].firmware.isThrottled = true
    expected[0].firmware.isUndervolted = true
    expected[1].firmware.isCapped = true
    expected[1].firmware.isSoftLimited = true
    expected[2].energyMicrojoules = Int64.max
    let writer = try PowerTraceWriter(appendingTo: path)
    for (number, readings) in expected.enumerated() {
      try writer.append(readings, nowNanoseconds: 1_234_567_890 + Int64(number) * Self.second)
    }
    let samples = try read(path)
    #expect(samples.map { $0.readings } == expected)
    #expect(samples.map { $0.milliseconds } == (0..<expected.count).map { 1000 * $0 })
    #expect(samples.map { $0.beginsRecording } == [true] + .init(repeating: false, count: expected.count - 1))
  }

  @Test func recordingsAreAppended() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("t.jsonl")
    let readings = try readings(.raspberryPi4)
    for now in [0, 100 * Self.second, 50 * Self.second] {
      let writer = try PowerTraceWriter(appendingTo: path)
      try writer.append(readings, nowNanoseconds: now)
      try writer.append(readings, nowNanoseconds: now + Self.second)
    }
    let samples = try read(path)
    #expect(samples.map { $0.milliseconds } == [0, 1000, 2000, 3000, 4000, 5000])
    #expect(samples.map { $0.beginsRecording } == [true, false, true, false, true, false])
  }

  /// Power went at any byte of the file: what was whole is read, and recording goes on after it.
  @Test func cutsAtEveryByte() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("t.jsonl")
    let readings = try readings(.container)
    let writer = try PowerTraceWriter(appendingTo: path)
    for number in 0..<3 { try writer.append(readings, nowNanoseconds: Int64(number) * Self.second) }
    let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
    let firstEnd = try #require(whole.firstIndex(of: 10))
    for count in 0...whole.count {
      let bytes = Array(whole.prefix(count))
      // A line that lacks only its end is whole.
      let lineCount = bytes.filter { $0 == 10 }.count + (count < whole.count && whole[count] == 10 ? 1 : 0)
      _ = try folder.write("t.jsonl", bytes)
      if count < firstEnd {
        #expect(error(path)?.contains("has no readings") == true)
      } else {
        #expect(try read(path).count == lineCount)
      }
      if count % 7 == 0 {
        let more = try PowerTraceWriter(appendingTo: path)
        try more.append(readings, nowNanoseconds: 0)
        #expect(try read(path).count == lineCount + 1)
      }
    }
  }

  @Test(arguments: [
    (
      [#"{"time_ms":0,"clusters":[{"cores":[0]}]}"#, "nonsense", #"{"time_ms":1,"clusters":[{"cores":[0]}]}"#],
      "line 2: "
    ),
    (["nonsense", "nonsense"], "line 1: "), (["nonsense"], "line 1: "), ([""], "has no readings"),
    (["[]"], "line 1: the line must be an object"), (["{}"], "line 1: time_ms must be given"),
    ([#"{"time_ms":-1}"#], "time_ms must be a whole number"), ([#"{"time_ms":1e300}"#], "time_ms must be"),
    ([#"{"time_ms":0}"#], "clusters must be a list of at least one"),
    ([#"{"time_ms":0,"clusters":[]}"#], "clusters must be"), ([#"{"time_ms":0,"clusters":[{}]}"#], "cores must be"),
    ([#"{"time_ms":0,"clusters":[{"cores":[-1]}]}"#], "cores must be"),
    ([#"{"time_ms":0,"clusters":[{"cores":[0],"capacity":0}]}"#], "capacity must be"),
    ([#"{"time_ms":0,"clusters":[{"cores":[0]}],"zones":[1]}"#], "zones must be"),
    ([#"{"time_ms":0,"clusters":[{"cores":[0]}],"zones":[{"type":"x"}]}"#], "number must be given"),
    ([#"{"time_ms":0,"clusters":[{"cores":[0]}],"zones":[{"number":1,"temperature":1e9}]}"#], "temperature must be"),
    ([#"{"time_ms":0,"clusters":[{"cores":[0]}],"supply":7}"#], "supply must be an object"),
    ([#"{"time_ms":0,"clusters":[{"cores":[0]}],"supply":{"battery_percent":101}}"#], "battery_percent must be"),
    ([#"{"time_ms":0,"clusters":[{"cores":[0]}],"firmware":{"capped":1}}"#], "capped must be true or false"),
    ([#"{"time_ms":0,"clusters":[{"cores":[0]}],"processor_quota":-1}"#], "processor_quota must be a number"),
    ([#"{"time_ms":0,"clusters":[{"cores":[0]}],"platform_profile":"turbo"}"#], "platform_profile"),
    (
      [
        #"{"time_ms":0,"clusters":[{"cores":[0]}]}"#, #"{"time_ms":9,"clusters":[{"cores":[0]}]}"#,
        #"{"time_ms":8,"clusters":[{"cores":[0]}]}"#,
      ], "line 3: time_ms goes back"
    ),
  ]) func wrongTraces(_ lines: [String], _ reason: String) throws {
    let trace = try trace(lines)
    let message = try #require(error(trace.path))
    #expect(message.hasPrefix(trace.path) && message.contains(reason), "\(message)")
  }

  @Test func longLinesAreRefused() throws {
    let trace = try trace([String(repeating: " ", count: 300_000) + "{}"])
    #expect(error(trace.path)?.contains("line 1: longer than 65536 bytes") == true)
    #expect(error("/nonexistent/trace")?.contains("/nonexistent/trace") == true)
    #expect(throws: PowerTraceError.self) { try PowerTraceWriter(appendingTo: "/nonexistent/trace") }
  }

  @Test func hostileTracesNeverTrap() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("t.jsonl")
    let writer = try PowerTraceWriter(appendingTo: path)
    for (number, board) in SensorTree.Board.allCases.enumerated() {
      try writer.append(try readings(board), nowNanoseconds: Int64(number) * Self.second)
    }
    let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
    var random = XorShift(5)
    for round in 0..<400 {
      var bytes = round % 4 == 0 ? random.bytes(random.below(500)) : whole
      for _ in 0..<(1 + random.below(6)) where !bytes.isEmpty {
        bytes[random.below(bytes.count)] = UInt8(random.below(256))
      }
      // Digits make numbers that are valid and wild.
      for _ in 0..<20 where !bytes.isEmpty {
        let index = random.below(bytes.count)
        if (48...57).contains(bytes[index]) { bytes[index] = UInt8(48 + random.below(10)) }
      }
      _ = try folder.write("t.jsonl", bytes)
      guard let samples = try? read(path) else { continue }
      for sample in samples {
        #expect(sample.milliseconds >= 0 && !sample.readings.clusters.isEmpty)
        #expect(sample.readings.zones.allSatisfy { $0.type.utf8.allSatisfy { (32...126).contains($0) } })
      }
    }
  }
}
