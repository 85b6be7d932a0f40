import Memory
import ModelFile
import Protocols
import Runtime
import System

extension Command {
  static let bench = Command(
    name: "bench", positionals: "MODEL", summary: "measure a model's latency, load time and memory",
    details: """
      Inputs are pseudo-random bytes. Times are of inference alone, inputs in place; spread is the width of the middle half over
      the median. Where the machine was too busy for the times to be trusted, it says so and why.
      --sweep measures several numbers of threads and budgets, which --threads and --memory-budget then list (1,2,4 and
      4M,64M; without them it chooses), in turns, each in a process of its own.
      With --worker it speaks a line protocol on standard input and output: at start {"ready":true,"load_ms":…,"first_ms":…,
      "info":…}, then for `run N` {"ns":[…],"cpu_ns":…,"involuntary_switches":…}, for `mem` {"peak_rss_bytes":…}, for `outputs`
      {"output_xxh64":…}, until `quit`.
      """,
    options: Engine.options + [
      Engine.planOption,
      Option("runs", "N", "timed runs (default 100, after a tenth of a second of others)"),
      Option("sweep", nil, "compare numbers of threads and budgets"),
      Option("rounds", "N", "turns of each in a sweep (default 10)"),
      Option("worker", nil, "be driven line by line"),
      Option("marks", nil, "one run, marked for an emulator that counts: see targets/aarch64-linux/count.sh"),
      Option("json", nil, "say the result as JSON"),
      Option("report", "FILE", "write the result to a file, as JSON, instead of saying it"),
    ],
    run: runBench)

  private static func runBench(_ arguments: Arguments) throws(CommandError) {
    let path = try arguments.onlyPositional("model")
    let runs = try arguments.integer("runs", in: 1...BenchWorker.runsMax) ?? 100
    if arguments.has("sweep") { return try sweep(arguments, path, runs: runs) }
    let engine = try Engine(arguments)
    let start = Clock.nowNanoseconds
    let session = try engine.load(path, plan: try arguments.integer("plan", in: 0...100))
    RandomInputs.fill(session)
    if arguments.has("marks") { return try runMarked(session, path) }
    let loaded = Clock.nowNanoseconds
    session.run()
    let first = Clock.nowNanoseconds
    let loadMilliseconds = Double(first - start) / 1e6
    let firstMilliseconds = Double(first - loaded) / 1e6
    if arguments.has("worker") {
      return try BenchWorker(
        session: session, path: path, isa: engine.kernels.name, loadMilliseconds: loadMilliseconds,
        firstMilliseconds: firstMilliseconds
      ).work()
    }
    BenchWorker.warmUp(session, runs: runs)
    let watch = MachineWatch()
    let times = SampleStatistics(try BenchWorker.measure(session, path, runs: runs))
    let noise = watch.noise(times)
    let peak = Process.peakResidentByteCount
    if arguments.has("json") || arguments.has("report") {
      var json = JSONWriter()
      json.beginObject()
      json.member("model", path)
      json.member("isa", engine.kernels.name)
      json.member("threads", engine.pool.threadCount)
      json.member("runs", runs)
      times.write(to: &json)
      json.member("load_ms", loadMilliseconds)
      json.member("first_ms", firstMilliseconds)
      noise.write(to: &json)
      json.member("peak_rss_bytes", peak)
      json.member("reserved_bytes", engine.budget.peakReservedByteCount)
      json.key("reserved_bytes_by_purpose")
      json.beginObject()
      for purpose in MemoryBudget.Purpose.allCases {
        json.member(purpose.name, engine.budget.reservedByteCount(for: purpose))
      }
      json.endObject()
      json.member("memory_budget_bytes", engine.budget.limitByteCount)
      json.member("output_xxh64", OutputHash.text(session))
      json.endObject()
      if let path = arguments.text("report") { try ReportFile.write(json.bytes, to: path) }
      if arguments.has("json") { Console.line(String(decoding: json.bytes, as: UTF8.self)) }
    } else {
      Console.line(
        "\(path)  \(engine.kernels.name), \(engine.pool.threadCount) thread\(engine.pool.threadCount == 1 ? "" : "s"), \(runs) runs"
      )
      Console.line(
        "  latency  p50 \(milliseconds(times.median))  min \(milliseconds(times.least))"
          + "  p90 \(milliseconds(times.quantile(0.9)))  p99 \(milliseconds(times.quantile(0.99))) ms,"
          + " spread \(Console.fixed(100 * times.spread, 1)) %")
      Console.line(
        "  load     \(Console.fixed(loadMilliseconds, 2)) ms from opening the file to the first result,"
          + " \(Console.fixed(firstMilliseconds, 2)) ms of it inference")
      Console.line(
        "  memory   peak \(ByteCount.text(peak)) of \(ByteCount.text(engine.budget.limitByteCount)) budget,"
          + " \(ByteCount.text(engine.budget.peakReservedByteCount)) reserved")
      Console.line("  " + noise.text)
    }
  }

  /// A run that warms the caches, then the one to count.
  private static func runMarked(_ session: Session, _ path: String) throws(CommandError) {
    Process.mark(.warmUpBegins)
    session.run()
    Process.mark(.countingBegins)
    session.run()
    Process.mark(.countingEnds)
    try ModelOpening.check(session, path)
  }

  private static func milliseconds(_ nanoseconds: Double) -> String { Console.fixed(nanoseconds / 1e6, 3) }
}
