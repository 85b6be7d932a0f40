import Memory
import Protocols
import Runtime
import System

/// Measures a model with several numbers of threads and budgets, each in a process of its own, in rounds: in each round every one has
/// its turn, so that what else the machine does meanwhile touches all of them alike.
struct BenchSweep {
  let path: String
  let kernels: Kernels
  let runs: Int
  let roundCount: Int

  /// All are there at once, each with its memory.
  static let configurationCountMax = 64

  /// One number of threads and one budget.
  private struct Configuration {
    let threadCount: Int
    let budgetByteCount: Int
    let process: TalkingProcess
    var loadMilliseconds = 0.0
    var firstMilliseconds = 0.0
    var nanoseconds: [Int64] = []
    var involuntarySwitchCount = 0
    var peakByteCount = 0
    var outputs = ""

    /// Takes over what the process has answered.
    mutating func read(_ line: [UInt8]) throws(ProtocolError) {
      var copy = self
      try line.withUnsafeBufferPointer { (line) throws(ProtocolError) in
        var reader = JSONReader(UnsafeRawBufferPointer(line))
        try reader.beginObject()
        while let key = try reader.nextKey() {
          switch key {
          case "load_ms": copy.loadMilliseconds = try reader.readNumber().double
          case "first_ms": copy.firstMilliseconds = try reader.readNumber().double
          case "ns":
            try reader.beginArray()
            while try reader.nextElement() { copy.nanoseconds.append(try reader.readInteger()) }
          case "involuntary_switches": copy.involuntarySwitchCount += Int(try reader.readInteger())
          case "peak_rss_bytes": copy.peakByteCount = Int(try reader.readInteger())
          case "output_xxh64": copy.outputs = try reader.readString()
          default: try reader.skipValue()
          }
        }
      }
      self = copy
    }
  }

  /// Configurations that were measured, and what went on meanwhile.
  struct Result {
    struct Row {
      let threadCount: Int
      let budgetByteCount: Int
      let loadMilliseconds: Double
      let firstMilliseconds: Double
      let times: SampleStatistics
      let peakByteCount: Int
      let noise: MachineNoise
    }

    fileprivate(set) var rows: [Row] = []
    /// Whether all computed the same bytes.
    fileprivate(set) var areOutputsEqual = true
  }

  /// Precondition: every budget is enough for its number of threads.
  func run(_ configurations: [(threadCount: Int, budgetByteCount: Int)]) throws(CommandError) -> Result {
    var all: [Configuration] = []
    for (threadCount, budgetByteCount) in configurations {
      all.append(try start(threadCount, budgetByteCount))
      try ask(&all[all.count - 1], nil)
      try ask(&all[all.count - 1], "run \(min(20, runs))")
      all[all.count - 1].nanoseconds = []
      all[all.count - 1].involuntarySwitchCount = 0
    }
    let watch = MachineWatch()
    for round in 0..<roundCount {
      let count = runs * (round + 1) / roundCount - runs * round / roundCount
      // Nobody comes always first, or after the same one.
      for place in all.indices {
        try ask(&all[round % 2 == 0 ? (place + round) % all.count : all.count - 1 - place], "run \(count)")
      }
    }
    let steal = watch.stealShare
    var result = Result()
    for index in all.indices {
      for command in ["mem", "outputs"] { try ask(&all[index], command) }
      try tell(all[index], "quit")
      let one = all[index]
      let times = SampleStatistics(one.nanoseconds)
      result.areOutputsEqual = result.areOutputsEqual && one.outputs == all[0].outputs
      result.rows.append(
        Result.Row(
          threadCount: one.threadCount, budgetByteCount: one.budgetByteCount, loadMilliseconds: one.loadMilliseconds,
          firstMilliseconds: one.firstMilliseconds, times: times, peakByteCount: one.peakByteCount,
          noise: MachineNoise(times, involuntarySwitchCount: one.involuntarySwitchCount, stealShare: steal)))
    }
    for one in all { do { _ = try one.process.wait() } catch { throw .failure(error.message) } }
    return result
  }

  private func start(_ threadCount: Int, _ budgetByteCount: Int) throws(CommandError) -> Configuration {
    do {
      let process = try TalkingProcess(
        path: "/proc/self/exe",
        arguments: [
          "bench", path, "--worker", "--threads", "\(threadCount)", "--isa", kernels.name, "--memory-budget",
          "\(budgetByteCount)",
        ])
      return Configuration(threadCount: threadCount, budgetByteCount: budgetByteCount, process: process)
    } catch {
      throw .failure(error.message)
    }
  }

  private func tell(_ configuration: Configuration, _ line: String) throws(CommandError) {
    do { try configuration.process.send(line) } catch { throw .failure(error.message) }
  }

  /// Sends a line, if there is one, and takes over the answer.
  private func ask(_ configuration: inout Configuration, _ line: String?) throws(CommandError) {
    if let line { try tell(configuration, line) }
    let answer: [UInt8]?
    do { answer = try configuration.process.receive() } catch { throw .failure(error.message) }
    guard let answer else {
      throw .failure(
        "\(path): it ended with \(configuration.threadCount) threads under "
          + "\(ByteCount.text(configuration.budgetByteCount)); what it said stands above")
    }
    do { try configuration.read(answer) } catch { throw .failure(error.message) }
  }
}
