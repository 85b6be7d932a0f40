import Memory
import ModelFile
import Protocols
import Runtime
import Serving
import System

extension Command {
  static let plan = Command(
    name: "plan", positionals: "MODEL", summary: "say what a model takes and how fast it is under any memory budget",
    details: """
      From the file alone, for a process that runs this one model: the least budget, the one for full speed, and what happens
      under --memory-budget (default: the full one). Weights that do not fit are read or decoded anew for every inference.
      --verify runs the model under several budgets in processes of their own and compares what is measured with what was
      predicted; it ends with status 1 where a promise is broken.
      """,
    options: [
      Option("memory-budget", "SIZE", "the budget to look at: 8M, 64M"),
      Option("threads", "N", "threads that compute (default: what affinity and control group allow)"),
      Option("isa", "NAME", "kernels, as for `thimble bench`"),
      Option("verify", nil, "measure, and compare with the prediction"),
      Option("json", nil, "say it as JSON"),
    ],
    run: runPlan)

  private static func runPlan(_ arguments: Arguments) throws(CommandError) {
    let path = try arguments.onlyPositional("model")
    let kernels = try Engine.kernels(arguments)
    let threads = try Engine.threadCount(arguments)
    let wanted = try arguments.byteCount("memory-budget")
    // Only to say what the program takes: to plan takes what it takes.
    let budget = MemoryBudget(limitByteCount: Int.max)
    let program = try Engine.reserveProgram(budget, for: .computing)
    let taken = budget.reservedByteCount + (threads - 1) * Thread.stackByteCount
    let rates = DeviceRates.of(kernels, budget: budget)
    let file = try ModelOpening.open(path, budget: budget)
    let forecast = MemoryForecast(file, threadCount: threads, rates: rates, takenByteCount: taken)
    _ = program
    if arguments.has("verify") {
      let isKept = try PlanVerification(
        path: path, threadCount: threads, kernels: kernels, isJSON: arguments.has("json")
      )
      .run(forecast, wanted.map { [$0] })
      if !isKept { Process.exit(1) }
      return
    }
    guard let entry = forecast.entry(budgetByteCount: wanted ?? forecast.fullBudgetByteCount) else {
      throw .failure(
        "\(path): \(ByteCount.text(wanted ?? 0)) is too little for \(threads) threads: "
          + "give --memory-budget \(ByteCount.option(forecast.leastBudgetByteCount)) or more")
    }
    if arguments.has("json") {
      var json = JSONWriter()
      PlanDocument(model: path, threadCount: threads, isa: kernels.name).write(forecast, entry, to: &json)
      Console.line(String(decoding: json.bytes, as: UTF8.self))
    } else {
      printText(path, threads, kernels, forecast, entry)
    }
  }

  private static func printText(
    _ path: String, _ threads: Int, _ kernels: Kernels, _ forecast: borrowing MemoryForecast,
    _ entry: MemoryForecast.Entry
  ) {
    let costs = entry.plan.costs
    Console.line("\(path)  \(kernels.name), \(threads) thread\(threads == 1 ? "" : "s")")
    Console.line(
      "  budget       \(ByteCount.text(forecast.leastBudgetByteCount)) at least,"
        + " \(ByteCount.text(forecast.fullBudgetByteCount)) for full speed")
    Console.line("  under \(ByteCount.text(entry.budgetByteCount))")
    Console.line("    peak         \(ByteCount.text(entry.peakByteCount))")
    Console.line(
      "    weights      \(ByteCount.text(costs.residentByteCount)) resident,"
        + " \(ByteCount.text(costs.inPlaceByteCount)) in place, \(ByteCount.text(costs.streamedByteCount)) streamed"
        + " through \(ByteCount.text(costs.runningByteCount))")
    Console.line("    activations  \(ByteCount.text(entry.plan.plan.activationByteCount))")
    Console.line("    metadata     \(ByteCount.text(entry.plan.floorByteCount))")
    Console.line("    read         \(ByteCount.text(costs.readByteCount)) an inference")
    Console.line(
      "    latency      about \(Console.fixed(entry.nanoseconds / 1e6, 2)) ms,"
        + " \(Console.fixed(entry.slowdown, 2)) × full speed")
    Console.line("")
    Console.line("       budget       peak    streamed   slowdown")
    let curve = forecast.curve(pointCount: PlanDocument.pointCount)
    let most = curve.reduce(1.0) { max($0, $1.slowdown) }
    for point in curve {
      let bar = String(repeating: "▇", count: max(1, Int(point.slowdown / most * 40)))
      Console.line(
        TextColumn.right(ByteCount.text(point.budgetByteCount), 13)
          + TextColumn.right(ByteCount.text(point.peakByteCount), 11)
          + TextColumn.right(ByteCount.text(point.plan.costs.streamedByteCount), 12)
          + TextColumn.right(Console.fixed(point.slowdown, 2) + " ×", 11) + "  " + bar)
    }
  }
}
