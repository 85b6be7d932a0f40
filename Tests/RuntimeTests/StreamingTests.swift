import Importing
import Memory
import ModelFile
import Runtime
import TestSupport
import Testing

/// Weights that pass through memory give the same bytes as weights that stay.
@Suite struct StreamingTests {
  private func inputs(_ session: Session, seed: UInt64) -> [[UInt8]] {
    var random = XorShift(seed)
    return session.inputs.map { random.bytes($0.byteCount) }
  }

  /// From the least memory to all it can use, on several threads, compressed and not.
  @Test(arguments: SharedFiles.models) func everyMemoryGivesTheSameBytes(_ path: String) throws {
    let model = try importModel(try SharedFiles.bytes(path))
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    let reference = try Session(
      try model.opened(), kernels: .best, pool: try ThreadPool(threadCount: 1, budget: budget), budget: budget)
    let inputs = inputs(reference, seed: 3)
    let expected = reference.answers(to: inputs)
    for compression in [ModelFileWriter.Compression.always, .none] {
      for threadCount in [1, 2, 4] {
        let pool = try ThreadPool(threadCount: threadCount, budget: budget)
        let file = try model.opened(compression)
        let least = MemoryPlan.least(file, threadCount: threadCount).peakByteCount
        let full = max(least, MemoryPlan.full(file, threadCount: threadCount).peakByteCount)
        for share in [0, 25, 60, 100] {
          let place = "\(path) \(compression) \(threadCount) threads \(share) %"
          let before = budget.reservedByteCount
          do {
            let session = try Session(
              try model.opened(compression), kernels: .best, pool: pool, budget: budget,
              memoryByteCount: least + (full - least) * share / 100)
            #expect(budget.reservedByteCount - before <= least + (full - least) * share / 100, "\(place)")
            // More threads and fewer in turn.
            for limit in [threadCount, 1, threadCount, max(1, threadCount - 1)] {
              if let text = difference(session.answers(to: inputs, threadLimit: limit), expected) {
                Issue.record("\(place), \(limit) at most: \(text)")
              }
              try session.checkFile()
            }
          }
          #expect(budget.reservedByteCount == before, "\(place)")
        }
      }
    }
  }

  /// The cache shrinks and grows between runs; what it gives up comes back to the budget.
  @Test(arguments: SharedFiles.models) func cachesShrinkAndGrow(_ path: String) throws {
    let model = try importModel(try SharedFiles.bytes(path))
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    let pool = try ThreadPool(threadCount: 2, budget: budget)
    let session = try Session(try model.opened(.always), kernels: .best, pool: pool, budget: budget)
    let inputs = inputs(session, seed: 4)
    let expected = session.answers(to: inputs)
    let full = budget.reservedByteCount
    #expect(session.cacheByteCount == session.cacheByteCountMax)
    for byteCount in [0, session.cacheByteCountMax / 2, session.cacheByteCountMax / 3, 0, session.cacheByteCountMax] {
      let kept = session.resizeCache(to: byteCount)
      #expect(kept <= byteCount && kept == session.cacheByteCount)
      #expect(difference(session.answers(to: inputs), expected) == nil, "\(byteCount)")
      try session.checkFile()
    }
    #expect(budget.reservedByteCount == full && session.cacheByteCount == session.cacheByteCountMax)
  }
}
