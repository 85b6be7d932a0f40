import Memory
import ModelFile
import Protocols
import Runtime
import System

extension Command {
  static let bench = Command(
    name: "bench", positionals: "MODEL", summary: "measure a model's latency, load time and memory",
    details: """
      Inputs are pseudo-random bytes. Times are of inference alone, inputs in place. With --worker it speaks a line
      protocol on standard input and output: at start {"ready":true,"load_ms":…,"first_ms":…,"info":…}, then for `run N`
      {"ns":[…],"cpu_ns":…}, for `mem` {}, until `quit`.
      """,
    options: Engine.options + [
      Engine.planOption,
      Option("runs", "N", "timed runs (default 100, after 5 that are not)"),
      Option("worker", nil, "be driven line by line"),
      Option("json", nil, "say the result as JSON"),
      Option("report", "FILE", "write the result to a file, as JSON, instead of saying it"),
    ],
    run: runBench)

  private static func runBench(_ arguments: Arguments) throws(CommandError) {
    let path = try arguments.onlyPositional("model")
    let runs = try arguments.integer("runs", in: 1...1_000_000) ?? 100
    let engine = try Engine(arguments)
    let start = Clock.nowNanoseconds
    let session = try engine.load(path, plan: try arguments.integer("plan", in: 0...100))
    RandomInputs.fill(session)
    let loaded = Clock.nowNanoseconds
    session.run()
    let first = Clock.nowNanoseconds
    let loadMilliseconds = Double(first - start) / 1e6
    let firstMilliseconds = Double(first - loaded) / 1e6
    if arguments.has("worker") {
      try work(session, path, engine, loadMilliseconds: loadMilliseconds, firstMilliseconds: firstMilliseconds)
      return
    }
    for _ in 0..<min(5, runs) { session.run() }
    let times = try measure(session, path, runs: runs).sorted()
    func milliseconds(_ share: Double) -> Double {
      Double(times[min(times.count - 1, Int(Double(times.count) * share))]) / 1e6
    }
    let peak = Process.peakResidentByteCount
    if arguments.has("json") || arguments.has("report") {
      // The same inputs once more: what came of them tells whether two runs computed the same.
      RandomInputs.fill(session)
      session.run()
      var json = JSONWriter()
      json.beginObject()
      json.member("model", path)
      json.member("isa", engine.kernels.name)
      json.member("threads", engine.pool.threadCount)
      json.member("runs", runs)
      for (name, value) in [
        ("min_ms", milliseconds(0)), ("p50_ms", milliseconds(0.5)), ("p99_ms", milliseconds(0.99)),
        ("load_ms", loadMilliseconds), ("first_ms", firstMilliseconds),
      ] {
        json.key(name)
        json.double(value)
      }
      json.member("peak_rss_bytes", peak)
      json.member("reserved_bytes", engine.budget.peakReservedByteCount)
      json.key("reserved_bytes_by_purpose")
      json.beginObject()
      for purpose in MemoryBudget.Purpose.allCases {
        json.member(purpose.name, engine.budget.reservedByteCount(for: purpose))
      }
      json.endObject()
      json.member("memory_budget_bytes", engine.budget.limitByteCount)
      json.member("output_xxh64", outputHash(session))
      json.endObject()
      if let path = arguments.text("report") { try write(json.bytes, to: path) }
      if arguments.has("json") { Console.line(String(decoding: json.bytes, as: UTF8.self)) }
    } else {
      Console.line(
        "\(path)  \(engine.kernels.name), \(engine.pool.threadCount) thread\(engine.pool.threadCount == 1 ? "" : "s"), \(runs) runs"
      )
      Console.line(
        "  latency  min \(Console.fixed(milliseconds(0), 3))  p50 \(Console.fixed(milliseconds(0.5), 3))"
          + "  p99 \(Console.fixed(milliseconds(0.99), 3)) ms")
      Console.line(
        "  load     \(Console.fixed(loadMilliseconds, 2)) ms from opening the file to the first result,"
          + " \(Console.fixed(firstMilliseconds, 2)) ms of it inference")
      Console.line(
        "  memory   peak \(ByteCount.text(peak)) of \(ByteCount.text(engine.budget.limitByteCount)) budget,"
          + " \(ByteCount.text(engine.budget.peakReservedByteCount)) reserved")
    }
  }

  private static func write(_ bytes: [UInt8], to path: String) throws(CommandError) {
    do throws(SystemError) {
      let file = try File(creating: path)
      try bytes.withUnsafeBufferPointer { (bytes) throws(SystemError) in try file.write(UnsafeRawBufferPointer(bytes)) }
    } catch {
      throw .failure(error.message)
    }
  }

  /// XXH64 of all outputs' bytes, one after the other, in hexadecimal.
  private static func outputHash(_ session: Session) -> String {
    var bytes = [UInt8](repeating: 0, count: session.outputs.reduce(0) { $0 + $1.byteCount })
    bytes.withUnsafeMutableBytes { all in
      var offset = 0
      for (index, port) in session.outputs.enumerated() {
        session.readOutput(index, into: UnsafeMutableRawBufferPointer(rebasing: all[offset..<offset + port.byteCount]))
        offset += port.byteCount
      }
    }
    return String(bytes.withUnsafeBytes { xxh64($0) }, radix: 16)
  }

  private static func measure(_ session: Session, _ path: String, runs: Int) throws(CommandError) -> [Int64] {
    var times = [Int64](repeating: 0, count: runs)
    for index in 0..<runs {
      let start = Clock.nowNanoseconds
      session.run()
      times[index] = Clock.nowNanoseconds - start
    }
    try ModelOpening.check(session, path)
    return times
  }

  private static func work(
    _ session: Session, _ path: String, _ engine: Engine, loadMilliseconds: Double, firstMilliseconds: Double
  ) throws(CommandError) {
    var json = JSONWriter()
    json.beginObject()
    json.member("ready", true)
    json.key("load_ms")
    json.double(loadMilliseconds)
    json.key("first_ms")
    json.double(firstMilliseconds)
    json.member("info", "\(engine.kernels.name)")
    json.endObject()
    Console.line(String(decoding: json.bytes, as: UTF8.self))
    while let line = Console.readLine() {
      let words = line.utf8.split(separator: UInt8(ascii: " "))
      guard let command = words.first else { continue }
      if command.elementsEqual("quit".utf8) { return }
      var json = JSONWriter()
      json.beginObject()
      if command.elementsEqual("run".utf8), words.count == 2, let runs = Int(String(decoding: words[1], as: UTF8.self)),
        runs > 0
      {
        let cpu = Clock.processCPUNanoseconds
        let times = try measure(session, path, runs: runs)
        json.member("ns", times.map { Int($0) })
        json.member("cpu_ns", Int(Clock.processCPUNanoseconds - cpu))
      }
      json.endObject()
      Console.line(String(decoding: json.bytes, as: UTF8.self))
    }
  }
}
