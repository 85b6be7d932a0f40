import Memory

/// What a recorded run took, operator by operator. One serves for any number of runs.
public struct Recording: Sendable {
  /// For each operator the time from its start to the next one's; then for each thread, operator by operator, its own share.
  fileprivate var times: [Int64]
  public let operatorCount: Int

  fileprivate init(operatorCount: Int, threadCount: Int) {
    times = [Int64](repeating: 0, count: operatorCount * (threadCount + 1))
    self.operatorCount = operatorCount
  }

  /// From the operator's start to its last thread's end; of a chain's member the sum over the stripes.
  public func nanoseconds(_ index: Int) -> Int64 { times[index] }

  /// All threads' shares, without waiting for each other.
  public func busyNanoseconds(_ index: Int) -> Int64 {
    var sum: Int64 = 0
    for place in stride(from: operatorCount + index, to: times.count, by: operatorCount) { sum += times[place] }
    return sum
  }

  public var totalNanoseconds: Int64 { times[..<operatorCount].reduce(0, +) }
}

extension Session {
  /// A record with room for every operator's times.
  public func makeRecording() -> Recording {
    Recording(operatorCount: operatorSummaries.count, threadCount: threadCount)
  }

  /// Bytes that `makeRecording` allocates.
  public var recordingByteCount: Int { operatorSummaries.count * (threadCount + 1) * MemoryLayout<Int64>.stride + 64 }

  /// Computes the outputs and writes down what every operator took. Reading the clock adds some 50 ns an operator and stripe.
  /// Precondition: the record is this session's.
  public func run(recording record: inout Recording, threadLimit: Int = Int.max) {
    precondition(record.times.count == operatorSummaries.count * (threadCount + 1))
    record.times.withUnsafeMutableBufferPointer { times in
      times.update(repeating: 0)
      recording = times.baseAddress
      run(threadLimit: threadLimit)
      recording = nil
    }
  }

  /// Bytes that `weightResidencies` allocates.
  public var residenciesByteCount: Int {
    (planner.residencyCount + operatorSummaries.count) * MemoryLayout<WeightResidency>.stride + 128
  }

  /// Where each operator's weights are now.
  public var weightResidencies: [WeightResidency] {
    let blobs = planner.residencies(weights.placement)
    return operatorSummaries.map { $0.hasWeights ? blobs[Int($0.weights)] : WeightResidency() }
  }

  /// One thread's part of a recorded run.
  func run(_ context: borrowing StepContext, part: Int, of parts: Int, recording times: UnsafeMutablePointer<Int64>) {
    let count = operatorSummaries.count
    var clock = OperatorClock(elapsed: part == 0 ? times : nil, busy: times + count * (part + 1))
    for index in steps.indices {
      if index > 0 { context.wait(part: part) }
      steps[index].run(context, part: part, of: parts, clock: &clock)
    }
    context.wait(part: part)
    clock.end()
  }
}
