import Protocols
import Runtime
import System

/// A loaded model that is driven line by line: `run N`, `mem`, `outputs`, `quit`; each is answered with a line of JSON.
struct BenchWorker {
  let session: Session
  let path: String
  let isa: String
  let loadMilliseconds: Double
  let firstMilliseconds: Double

  func work() throws(CommandError) {
    say { json in
      json.member("ready", true)
      json.member("load_ms", loadMilliseconds)
      json.member("first_ms", firstMilliseconds)
      json.member("info", isa)
    }
    while let line = Console.readLine() {
      let words = line.utf8.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
      guard let command = words.first else { continue }
      switch command {
      case "quit": return
      case "run":
        guard words.count == 2, let runs = Int(words[1]), (1...BenchWorker.runsMax).contains(runs) else {
          say { _ in }
          continue
        }
        let (cpu, switches) = (Clock.processCPUNanoseconds, Process.involuntarySwitchCount)
        let times = try BenchWorker.measure(session, path, runs: runs)
        say { json in
          json.member("ns", times.map { Int($0) })
          json.member("cpu_ns", Int(Clock.processCPUNanoseconds - cpu))
          json.member("involuntary_switches", Process.involuntarySwitchCount - switches)
        }
      case "mem": say { $0.member("peak_rss_bytes", Process.peakResidentByteCount) }
      case "outputs": say { $0.member("output_xxh64", OutputHash.text(session)) }
      default: say { _ in }
      }
    }
  }

  static let runsMax = 1_000_000

  private func say(_ members: (inout JSONWriter) -> Void) {
    var json = JSONWriter()
    json.beginObject()
    members(&json)
    json.endObject()
    Console.line(String(decoding: json.bytes, as: UTF8.self))
  }

  /// Nanoseconds of each of some runs.
  static func measure(_ session: Session, _ path: String, runs: Int) throws(CommandError) -> [Int64] {
    var times = [Int64](repeating: 0, count: runs)
    for index in 0..<runs {
      let start = Clock.nowNanoseconds
      session.run()
      times[index] = Clock.nowNanoseconds - start
    }
    try ModelOpening.check(session, path)
    return times
  }

  /// Runs that do not count: caches fill, clocks rise.
  static func warmUp(_ session: Session, runs: Int) {
    let start = Clock.nowNanoseconds
    var count = 0
    while count < 5 || Clock.nowNanoseconds - start < warmUpNanoseconds {
      if count == runs { return }
      session.run()
      count += 1
    }
  }

  private static let warmUpNanoseconds: Int64 = 100_000_000
}
