import Importing
import Memory
import ModelFile
import Runtime
import TestSupport
import Testing

/// Inferences that run together give the bytes that each gives by itself.
@Suite struct BatchTests {
  private func inputs(_ session: Session, seed: UInt64) -> [[UInt8]] {
    var random = XorShift(seed)
    return session.inputs.map { random.bytes($0.byteCount) }
  }

  /// With all weights there and with as few as possible, which then serve several activations at once.
  @Test(arguments: SharedFiles.models) func batchesGiveTheSameBytes(_ path: String) throws {
    let model = try importModel(try SharedFiles.bytes(path))
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    let reference = try Session(
      try model.opened(), kernels: .best, pool: try ThreadPool(threadCount: 1, budget: budget), budget: budget)
    let inputs = (0..<5).map { self.inputs(reference, seed: 20 + $0) }
    let expected = inputs.map { reference.answers(to: $0) }
    for compression in [ModelFileWriter.Compression.always, .none] {
      for threadCount in [1, 3] {
        let pool = try ThreadPool(threadCount: threadCount, budget: budget)
        let least = MemoryPlan.least(try model.opened(compression), threadCount: threadCount).peakByteCount
        for memory in [nil, least] {
          let before = budget.reservedByteCount
          do {
            let session = try Session(
              try model.opened(compression), kernels: .best, pool: pool, budget: budget, memoryByteCount: memory)
            for count in [5, 2] {
              #expect(session.makeRoom(for: count) == count)
              for inference in 0..<count {
                for (index, bytes) in inputs[inference].enumerated() {
                  session.writeInput(index, of: inference) { $0.copyBytes(from: bytes) }
                }
              }
              session.run(inferenceCount: count)
              for inference in 0..<count {
                let answer = session.outputs.indices.map { index in
                  var bytes = [UInt8](repeating: 0, count: session.outputs[index].byteCount)
                  bytes.withUnsafeMutableBytes { session.readOutput(index, of: inference, into: $0) }
                  return bytes
                }
                if let text = difference(answer, expected[inference]) {
                  Issue.record(
                    "\(path) \(compression), \(threadCount) threads, \(memory ?? 0) bytes, \(inference) of \(count): \(text)"
                  )
                }
              }
              try session.checkFile()
            }
          }
          #expect(budget.reservedByteCount == before)
        }
      }
    }
  }

  /// Room is made as far as the budget has it, and comes back.
  @Test func roomStaysInTheBudget() throws {
    let model = RandomChain.model(seed: 4, operatorCount: 8)
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    let pool = try ThreadPool(threadCount: 2, budget: budget)
    let session = try Session(try model.opened(), kernels: .best, pool: pool, budget: budget)
    let alone = budget.reservedByteCount
    let one = session.roomByteCount(2)
    let rest = try budget.reserve(budget.availableByteCount - 10 * one - 4096, for: .buffers)
    let count = session.makeRoom(for: 64)
    #expect(count > 4 && count <= 12)
    #expect(budget.reservedByteCount - rest.byteCount - alone <= count * one + 4096)
    #expect(session.makeRoom(for: 2) == 2)
    session.giveUpRoom()
    #expect(session.roomCount == 1)
    let inputs = self.inputs(session, seed: 1)
    #expect(difference(session.answers(to: inputs), session.answers(to: inputs)) == nil)
  }
}
