import Memory
import Runtime
import System

/// What runs of a model took, operator by operator.
struct ModelProfile {
  struct Entry {
    let summary: Session.OperatorSummary
    let weights: WeightResidency
    /// Of the steady runs, in nanoseconds.
    var median = 0.0
    var least = 0.0
    /// Of the first run after loading.
    var first = 0.0
    /// Median of all threads' shares together.
    var busy = 0.0

    var byteCount: Int { summary.tensorByteCount + weights.byteCount }
    /// Multiplications with additions a nanosecond, and bytes.
    var multiplyAddRate: Double { Double(summary.multiplyAdds) / max(1, median) }
    var byteRate: Double { Double(byteCount) / max(1, median) }

    /// The least time by the roofline over the time taken.
    func share(of roofline: Roofline) -> Double {
      roofline.leastNanoseconds(multiplyAdds: summary.multiplyAdds, byteCount: byteCount) / max(1, median)
    }
  }

  /// All operators of one name together.
  struct Kind {
    let name: String
    var count = 0
    var nanoseconds = 0.0
    var multiplyAdds = 0
    var leastNanoseconds = 0.0
  }

  let path: String
  let isa: String
  let threadCount: Int
  let roofline: Roofline?
  let entries: [Entry]
  /// Times of whole runs, recorded and not, taken in turns.
  let recorded: SampleStatistics
  let plain: SampleStatistics
  /// From the start of the first run after loading to its end.
  let firstNanoseconds: Double
  let noise: MachineNoise

  /// Sum of the operators' medians.
  var totalNanoseconds: Double { entries.reduce(0) { $0 + $1.median } }

  /// Runs the model `roundCount` times recorded and as often plain, after some runs that do not count.
  init(_ session: Session, path: String, isa: String, roofline: Roofline?, roundCount: Int) throws(CommandError) {
    var recording = session.makeRecording()
    RandomInputs.fill(session)
    session.run(recording: &recording)
    let first = recording
    BenchWorker.warmUp(session, runs: roundCount)
    var times = session.operatorSummaries.map { _ in [Int64]() }
    var busy = times
    var (recordedTimes, plainTimes) = ([Int64](), [Int64]())
    let watch = MachineWatch()
    for _ in 0..<roundCount {
      session.run(recording: &recording)
      recordedTimes.append(recording.totalNanoseconds)
      for index in times.indices {
        times[index].append(recording.nanoseconds(index))
        busy[index].append(recording.busyNanoseconds(index))
      }
      let start = Clock.nowNanoseconds
      session.run()
      plainTimes.append(Clock.nowNanoseconds - start)
    }
    try ModelOpening.check(session, path)
    recorded = SampleStatistics(recordedTimes)
    plain = SampleStatistics(plainTimes)
    noise = watch.noise(plain)
    firstNanoseconds = Double(first.totalNanoseconds)
    let residencies = session.weightResidencies
    entries = session.operatorSummaries.enumerated().map { index, summary in
      let statistics = SampleStatistics(times[index])
      return Entry(
        summary: summary, weights: residencies[index], median: statistics.median, least: statistics.least,
        first: Double(first.nanoseconds(index)), busy: SampleStatistics(busy[index]).median)
    }
    self.path = path
    self.isa = isa
    self.roofline = roofline
    threadCount = session.threadCount
  }

  /// By operator name, what takes most first.
  var kinds: [Kind] {
    var kinds: [Kind] = []
    for entry in entries {
      let found = kinds.firstIndex { $0.name == entry.summary.name }
      if found == nil { kinds.append(Kind(name: entry.summary.name)) }
      let place = found ?? kinds.count - 1
      kinds[place].count += 1
      kinds[place].nanoseconds += entry.median
      kinds[place].multiplyAdds += entry.summary.multiplyAdds
      kinds[place].leastNanoseconds +=
        roofline?.leastNanoseconds(multiplyAdds: entry.summary.multiplyAdds, byteCount: entry.byteCount) ?? 0
    }
    return kinds.sorted { $0.nanoseconds > $1.nanoseconds }
  }
}
