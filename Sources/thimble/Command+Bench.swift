import Memory
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
      work(session, engine, loadMilliseconds: loadMilliseconds, firstMilliseconds: firstMilliseconds)
      return
    }
    for _ in 0..<min(5, runs) { session.run() }
    let times = measure(session, runs: runs).sorted()
    func milliseconds(_ share: Double) -> Double {
      Double(times[min(times.count - 1, Int(Double(times.count) * share))]) / 1e6
    }
    let peak = Process.peakResidentByteCount
    if arguments.has("json") {
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
      json.endObject()
      Console.line(String(decoding: json.bytes, as: UTF8.self))
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

  private static func measure(_ session: Session, runs: Int) -> [Int64] {
    var times = [Int64](repeating: 0, count: runs)
    for index in 0..<runs {
      let start = Clock.nowNanoseconds
      session.run()
      times[index] = Clock.nowNanoseconds - start
    }
    return times
  }

  private static func work(_ session: Session, _ engine: Engine, loadMilliseconds: Double, firstMilliseconds: Double) {
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
        let times = measure(session, runs: runs)
        json.member("ns", times.map { Int($0) })
        json.member("cpu_ns", Int(Clock.processCPUNanoseconds - cpu))
      }
      json.endObject()
      Console.line(String(decoding: json.bytes, as: UTF8.self))
    }
  }
}
