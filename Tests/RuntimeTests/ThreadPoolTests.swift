import Foundation
import Memory
import ModelFile
import Runtime
import System
import TestSupport
import Testing

/// Thousands of tiny runs: nothing is lost, whether threads spin or have parked, and a pool ends when it goes away.
@Suite(.serialized) struct ThreadPoolTests {
  @Test(.timeLimit(.minutes(2)), arguments: 1...4)
  func manyTinyRuns(_ threadCount: Int) throws {
    let item = try OperatorCases.read("PAD.cases").first { $0.name.hasSuffix("u8_then_conv_2d_shared") }!
    let budget = MemoryBudget(limitByteCount: 1 << 28)
    do {
      let pool = try ThreadPool(threadCount: threadCount, budget: budget)
      let session = try Session(try importModel(item.model).opened(), kernels: .best, pool: pool, budget: budget)
      #expect(difference(session.answers(to: item.inputs), item.outputs) == nil)
      for round in 0..<3000 {
        session.run()
        // Pauses of growing length, some shorter and some longer than threads spin.
        if round % 50 == 0 { usleep(UInt32(round % 700)) }
      }
      usleep(20_000)
      #expect(difference(session.answers(to: item.inputs), item.outputs) == nil)
    }
    #expect(budget.reservedByteCount == 0)
  }

  @Test(.timeLimit(.minutes(2))) func poolsEndWithTheirThreads() throws {
    func threadCount() -> Int { (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task"))?.count ?? 0 }
    let budget = MemoryBudget(limitByteCount: 1 << 28)
    for round in 0..<300 {
      let pool = try ThreadPool(threadCount: 1 + round % 4, budget: budget)
      #expect(budget.reservedByteCount(for: .stacks) == (pool.threadCount - 1) * System.Thread.stackByteCount)
      if round % 3 == 0 { usleep(300) }
    }
    #expect(budget.reservedByteCount == 0)
    // Were threads left behind there would be hundreds.
    #expect(threadCount() < 100)
  }

  @Test func stacksThatDoNotFitAreRefused() {
    let stack = System.Thread.stackByteCount
    let budget = MemoryBudget(limitByteCount: stack + stack / 2)
    do throws(ThreadPoolError) {
      _ = try ThreadPool(threadCount: 3, budget: budget)
      Issue.record("two stacks fit where there is room for one and a half")
    } catch {
      let text = "out of memory budget: \(ByteCount.text(2 * stack)) needed, \(ByteCount.text(stack + stack / 2)) left"
      #expect(error.message.hasPrefix(text))
      #expect(error.message.contains("give --memory-budget \(ByteCount.option(2 * stack)) or more"))
    }
    #expect(budget.reservedByteCount == 0)
  }
}
