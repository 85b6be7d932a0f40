import Memory
import Power
import Protocols
import Runtime
import System

extension Command {
  /// `thimble bench --sweep`.
  static func sweep(_ arguments: Arguments, _ path: String, runs: Int) throws(CommandError) {
    for name in ["worker", "plan"] where arguments.has(name) {
      throw .usage("--sweep and --\(name) exclude each other")
    }
    guard try !ModelOpening.isTFLite(path) else {
      // To import it takes more memory than to run it: budgets would say little.
      throw .usage("--sweep takes a .thimble file; `thimble import \(path)` makes one")
    }
    let kernels = try Engine.kernels(arguments)
    let rounds = min(runs, try arguments.integer("rounds", in: 1...10_000) ?? 10)
    let configurations = try sweepConfigurations(arguments, path)
    let result = try BenchSweep(path: path, kernels: kernels, runs: runs, roundCount: rounds).run(configurations)
    if arguments.has("json") || arguments.has("report") {
      var json = JSONWriter()
      json.beginObject()
      json.member("model", path)
      json.member("isa", kernels.name)
      json.member("runs", runs)
      json.member("rounds", rounds)
      result.write(to: &json)
      json.endObject()
      if let path = arguments.text("report") { try ReportFile.write(json.bytes, to: path) }
      if arguments.has("json") { Console.line(String(decoding: json.bytes, as: UTF8.self)) }
    } else {
      result.printText("\(path)  \(kernels.name), \(runs) runs of each in \(rounds) rounds")
    }
  }

  /// Every number of threads with every budget. Without `--threads`: 1, 2, 4, … up to what there is. Without `--memory-budget`:
  /// the least for all of them, the one for full speed, and one between.
  private static func sweepConfigurations(
    _ arguments: Arguments, _ path: String
  ) throws(CommandError) -> [(threadCount: Int, budgetByteCount: Int)] {
    var threads = try arguments.integers("threads", in: 1...64)
    if threads.isEmpty {
      let most = ProcessorLimit.threadCount()
      threads = [1]
      while threads.last! * 2 < most { threads.append(threads.last! * 2) }
      if most > 1 { threads.append(most) }
    }
    // Only to say what the program takes, as `thimble plan` does.
    let budget = MemoryBudget(limitByteCount: Int.max)
    let program = try Engine.reserveProgram(budget, for: .computing)
    let taken = budget.reservedByteCount
    var (least, full) = (0, 0)
    var leasts: [Int] = []
    for threadCount in threads {
      let forecast = MemoryForecast(
        try ModelOpening.open(path, budget: budget), threadCount: threadCount, rates: DeviceRates(),
        takenByteCount: taken + (threadCount - 1) * Thread.stackByteCount)
      leasts.append(forecast.leastBudgetByteCount)
      least = max(least, forecast.leastBudgetByteCount)
      full = max(full, forecast.fullBudgetByteCount)
    }
    _ = program
    // The pages that a program starts with differ by a few from run to run; a worker keeps its times besides.
    let slack = 64 << 10
    var budgets = try arguments.byteCounts("memory-budget")
    if budgets.isEmpty { budgets = [least + slack, least + (full - least) / 2 + slack, max(least, full) + slack] }
    var configurations: [(threadCount: Int, budgetByteCount: Int)] = []
    for (number, threadCount) in threads.enumerated() {
      for budget in budgets {
        guard budget >= leasts[number] else {
          throw .failure(
            "\(path): \(ByteCount.text(budget)) is too little for \(threadCount) thread\(threadCount == 1 ? "" : "s"): "
              + "give \(ByteCount.option(leasts[number])) or more")
        }
        configurations.append((threadCount, budget))
      }
    }
    let most = BenchSweep.configurationCountMax
    guard configurations.count <= most else {
      throw .usage("--sweep: \(configurations.count) processes are too many; \(most) are allowed")
    }
    return configurations
  }
}
