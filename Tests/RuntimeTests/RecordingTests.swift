import Importing
import Memory
import ModelFile
import Runtime
import TestSupport
import Testing

/// Recorded runs compute what others compute, and their records fit together.
@Suite struct RecordingTests {
  @Test(arguments: SharedFiles.models) func recordedRunsAnswerTheSame(_ path: String) throws {
    let model = try importModel(try SharedFiles.bytes(path))
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    for threadCount in 1...3 {
      let pool = try ThreadPool(threadCount: threadCount, budget: budget)
      for plan in Plan.candidates(model.graph, threadCount: threadCount).prefix(2) {
        let session = try Session(try model.opened(.always), kernels: .best, pool: pool, budget: budget, plans: [plan])
        let expected = session.answers(to: inputs(session))
        var recording = session.makeRecording()
        for _ in 0..<2 {
          write(inputs(session), to: session)
          session.run(recording: &recording)
          #expect(difference(outputs(session), expected) == nil)
          var sum: Int64 = 0
          for index in session.operatorSummaries.indices {
            let time = recording.nanoseconds(index)
            #expect(time >= 0 && recording.busyNanoseconds(index) >= 0)
            sum += time
          }
          #expect(recording.totalNanoseconds == sum && sum > 0)
        }
        let names = model.graph.operators.filter { if case .reshape = $0.operation { false } else { true } }
        let summaries = session.operatorSummaries.filter { !$0.name.hasSuffix(" channels") && $0.name != "RESHAPE" }
        #expect(summaries.map { $0.name } == names.map { $0.name }.filter { $0 != "RESHAPE" })
        #expect(session.operatorSummaries.contains { $0.chain != nil } == !plan.chains.isEmpty)
      }
    }
  }

  /// Every byte of the weights is in one place, whatever the memory.
  @Test func weightsAreSomewhere() throws {
    let model = try importModel(try SharedFiles.bytes(SharedFiles.digits))
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    let pool = try ThreadPool(threadCount: 1, budget: budget)
    for compression in [ModelFileWriter.Compression.none, .always] {
      let file = try model.opened(compression)
      let operators = file.graph.operators
      let sizes = file.graph.blobs.map { $0.byteCount }
      let session = try Session(file, kernels: .best, pool: pool, budget: budget)
      let expected = operators.reduce(0) { $0 + ($1.operation.weights.map { sizes[$0] } ?? 0) }
      func sums() -> (all: Int, streamed: Int) {
        let all = session.weightResidencies
        return (all.reduce(0) { $0 + $1.byteCount }, all.reduce(0) { $0 + $1.streamedByteCount })
      }
      #expect(sums() == (expected, 0))
      session.resizeCache(to: 0)
      #expect(sums().all == expected)
      #expect(session.weightResidencies.count == session.operatorSummaries.count)
      #expect(
        zip(session.weightResidencies, session.operatorSummaries).allSatisfy { $0.byteCount > 0 || !$1.hasWeights })
    }
  }

  @Test func theRooflineIsMeasured() throws {
    let budget = MemoryBudget(limitByteCount: 64 << 20)
    let pool = try ThreadPool(threadCount: 2, budget: budget)
    let roofline = try #require(Roofline.measured(.best, pool: pool, budget: budget))
    #expect(roofline.multiplyAddsPerNanosecond > 0 && roofline.bytesPerNanosecond > 0)
    let twice = roofline.leastNanoseconds(multiplyAdds: 2_000_000, byteCount: 1)
    #expect(abs(twice - 2 * roofline.leastNanoseconds(multiplyAdds: 1_000_000, byteCount: 1)) < 1e-6 * twice)
    #expect(roofline.leastNanoseconds(multiplyAdds: 1, byteCount: 1 << 30) > twice)
    // What was measured in is given back; too little is no roofline.
    #expect(budget.availableByteCount > 60 << 20)
    let small = MemoryBudget(limitByteCount: 1 << 20)
    #expect(Roofline.measured(.best, pool: try ThreadPool(threadCount: 1, budget: small), budget: small) != nil)
    let tiny = MemoryBudget(limitByteCount: 256 << 10)
    #expect(Roofline.measured(.best, pool: try ThreadPool(threadCount: 1, budget: tiny), budget: tiny) == nil)
  }

  private func inputs(_ session: Session) -> [[UInt8]] {
    var random = XorShift(77)
    return session.inputs.map { random.bytes($0.byteCount) }
  }

  private func write(_ inputs: [[UInt8]], to session: Session) {
    for (index, bytes) in inputs.enumerated() { session.writeInput(index) { $0.copyBytes(from: bytes) } }
  }

  private func outputs(_ session: Session) -> [[UInt8]] {
    session.outputs.indices.map { index in
      var bytes = [UInt8](repeating: 0, count: session.outputs[index].byteCount)
      bytes.withUnsafeMutableBytes { session.readOutput(index, into: $0) }
      return bytes
    }
  }
}
