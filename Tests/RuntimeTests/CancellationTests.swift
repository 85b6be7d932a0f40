import Importing
import Memory
import ModelFile
import System
import TestSupport
import Testing

@testable import Runtime

/// Runs that are told to stop end between two steps, however they run; the next run computes what it always has.
@Suite struct CancellationTests {
  private func answers(_ session: Session) -> [[UInt8]] { session.answers(to: input(session)) }

  private func input(_ session: Session) -> [[UInt8]] {
    session.inputs.map { (0..<$0.byteCount).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) } }
  }

  private func check(_ session: Session, _ label: String) throws {
    let expected = answers(session)
    // Told before it starts: the first step is all that runs.
    #expect(session.run(unless: Futex(1)) == (session.steps.count == 1), "\(label)")
    #expect(difference(answers(session), expected) == nil, "\(label)")
    #expect(session.run(unless: Futex()), "\(label)")
    // Told at any moment.
    for round in 0..<40 {
      let flag = Futex()
      let thread = try Thread {
        if round % 4 > 0 { Futex().wait(while: 0, timeoutNanoseconds: Int64(round) * 2_000) }
        flag.store(1)
      }
      for (index, bytes) in input(session).enumerated() { session.writeInput(index) { $0.copyBytes(from: bytes) } }
      session.run(unless: flag)
      thread.join()
      #expect(difference(answers(session), expected) == nil, "\(label)")
    }
  }

  @Test(.timeLimit(.minutes(2)), arguments: 1...3) func freeAndInChains(_ threadCount: Int) throws {
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    let pool = try ThreadPool(threadCount: threadCount, budget: budget)
    var kinds: Set<Bool> = []
    for (seed, operatorCount) in [(4, 40), (9, 12)] as [(UInt64, Int)] {
      let model = RandomChain.model(seed: seed, operatorCount: operatorCount)
      for plan in Plan.candidates(model.graph, threadCount: threadCount) {
        let session = try Session(try model.opened(.always), kernels: .best, pool: pool, budget: budget, plans: [plan])
        if session.steps.count > 1 { kinds.insert(plan.chains.isEmpty) }
        try check(session, "\(threadCount) threads, \(plan.chains.count) chains, \(session.steps.count) steps")
      }
    }
    #expect(kinds.contains(true))
  }

  @Test(.timeLimit(.minutes(2)), arguments: 1...3) func streamed(_ threadCount: Int) throws {
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    let pool = try ThreadPool(threadCount: threadCount, budget: budget)
    for path in SharedFiles.models where path.hasSuffix("ad01_int8.tflite") {
      let model = try importModel(try SharedFiles.bytes(path))
      let least = MemoryPlan.least(try model.opened(.always), threadCount: threadCount).peakByteCount
      let session = try Session(
        try model.opened(.always), kernels: .best, pool: pool, budget: budget, memoryByteCount: least)
      #expect(session.isStreaming)
      try check(session, "\(threadCount) threads, streamed, \(path)")
    }
  }
}
