import System

/// What one version of a model has done. Owned by the event loop.
final class ModelMetrics {
  let model: String
  let version: Int
  var successCount = 0
  var failureCount = 0
  /// Inferences done, each element of a batch counted.
  var inferenceCount = 0
  /// Runs of the network.
  var executionCount = 0
  /// Requests that wait or run.
  var pendingCount = 0
  /// How often it has lost its share of the requests to other versions.
  var rollbackCount = 0
  var durations = Durations()
  /// By size, in the order in which they came up.
  private(set) var batches: [Batch] = []
  var failureNanoseconds: Int64 = 0
  /// Requests answered from the response cache, and those looked up in vain; with the time that it took.
  var cacheHitCount = 0
  var cacheMissCount = 0
  var cacheHitNanoseconds: Int64 = 0
  var cacheMissNanoseconds: Int64 = 0
  /// What a run takes that is not interrupted, with its inputs and outputs; nil before the first.
  private(set) var usualComputeNanoseconds: Int64?
  /// While somebody watches.
  var latencies: LatencyWindow?
  /// Wall clock, since 1970.
  var lastInferenceMilliseconds: Int64 = 0

  /// Times of one request, or their sums.
  struct Durations: Sendable {
    /// From the whole request to the answer.
    var requestNanoseconds: Int64 = 0
    var queueNanoseconds: Int64 = 0
    var inputNanoseconds: Int64 = 0
    var inferenceNanoseconds: Int64 = 0
    var outputNanoseconds: Int64 = 0

    /// Looking for the result in the response cache; 0 where that is not done.
    var lookupNanoseconds: Int64 = 0

    static func += (sum: inout Durations, one: Durations) {
      sum.requestNanoseconds += one.requestNanoseconds
      sum.queueNanoseconds += one.queueNanoseconds
      sum.inputNanoseconds += one.inputNanoseconds
      sum.inferenceNanoseconds += one.inferenceNanoseconds
      sum.outputNanoseconds += one.outputNanoseconds
    }
  }

  /// Runs of so many inferences at once.
  struct Batch {
    let inferenceCount: Int
    var executionCount: Int
    var durations: Durations
  }

  init(model: String, version: Int) {
    self.model = model
    self.version = version
  }

  private func note(_ durations: Durations) {
    self.durations += durations
    guard let latencies else { return }
    if !latencies.note(durations.requestNanoseconds, at: Clock.nowNanoseconds) { self.latencies = nil }
  }

  /// Answered with a result that was kept: no inference.
  func hit(_ durations: Durations) {
    successCount += 1
    cacheHitCount += 1
    cacheHitNanoseconds += durations.lookupNanoseconds
    note(durations)
  }

  /// `togetherCount`: requests that ran together with it, itself included; 0 where another one of them stands for the run.
  func succeeded(_ durations: Durations, batch: Int, togetherCount: Int = 1) {
    if durations.lookupNanoseconds > 0 {
      cacheMissCount += 1
      cacheMissNanoseconds += durations.lookupNanoseconds
    }
    successCount += 1
    inferenceCount += batch
    if togetherCount > 0 {
      executionCount += 1
      noteBatch(durations, count: batch * togetherCount)
    }
    noteCompute(durations.inputNanoseconds + durations.inferenceNanoseconds + durations.outputNanoseconds)
    note(durations)
    lastInferenceMilliseconds = Clock.wallMilliseconds
  }

  /// One run that was interrupted tells little: a longer one counts by an eighth, a shorter one at once.
  private func noteCompute(_ nanoseconds: Int64) {
    let usual = usualComputeNanoseconds ?? nanoseconds
    usualComputeNanoseconds = min(nanoseconds, usual + (nanoseconds - usual) / 8)
  }

  private func noteBatch(_ durations: Durations, count: Int) {
    if let index = batches.firstIndex(where: { $0.inferenceCount == count }) {
      batches[index].executionCount += 1
      batches[index].durations += durations
    } else if batches.count < ServingLimits.batchMax {
      batches.append(Batch(inferenceCount: count, executionCount: 1, durations: durations))
    }
  }

  func failed(nanoseconds: Int64) {
    failureCount += 1
    failureNanoseconds += nanoseconds
  }
}
