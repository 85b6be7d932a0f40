import CAllocationCounter
import Memory
import ModelFile
import Runtime
import TestSupport

/// Runs models and counts what their runs allocate: a process of its own, so that nothing else does.
///
/// usage: AllocationProbe THREADS MODEL.tflite…   prints `MODEL COUNT` a line, after `control COUNT`, which must not be 0.
@main struct Probe {
  static func main() throws {
    let arguments = CommandLine.arguments
    allocation_counter_start()
    var control = [UInt8](repeating: 1, count: arguments.count + 100_000)
    control[0] = 2
    let controlCount = allocation_counter_stop()
    print("control", controlCount + (control[0] == 1 ? 1 : 0))
    let budget = MemoryBudget(limitByteCount: 4 << 30)
    let pool = try ThreadPool(threadCount: Int(arguments[1])!, budget: budget)
    for path in arguments[2...] {
      let model = try importModel(try SharedFiles.bytes(path))
      // The plans with the least and the most memory: stripe by stripe, and whole.
      let plans = Plan.candidates(model.graph, threadCount: pool.threadCount)
      var count = 0
      for plan in [plans.last!, Plan(model.graph, threadCount: pool.threadCount)] {
        let session = try Session(try model.opened(), kernels: .best, pool: pool, budget: budget, plans: [plan])
        allocation_counter_start()
        for _ in 0..<3 { session.run() }
        count += Int(allocation_counter_stop())
      }
      print(path, count)
    }
  }
}
