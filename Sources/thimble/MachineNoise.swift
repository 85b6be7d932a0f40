import Protocols
import System

/// What else the machine did while something was measured, and whether the measurement is to be trusted.
struct MachineNoise {
  /// Median over minimum of the times.
  let medianOverLeast: Double
  /// How often the kernel took the processor away from the process.
  let involuntarySwitchCount: Int
  /// Share of the processors' time that the hypervisor gave to others; nil where the kernel does not say.
  let stealShare: Double?
  /// Why the times are not to be trusted; empty where they are.
  let reasons: [String]

  var isNoisy: Bool { !reasons.isEmpty }

  // A quiet machine stays well below.
  private static let medianOverLeastMax = 1.15
  private static let spreadMax = 0.25
  private static let switchesASecondMax = 20.0
  private static let stealShareMax = 0.01

  /// Of what was measured, times one after the other.
  init(_ times: SampleStatistics, involuntarySwitchCount: Int, stealShare: Double?) {
    medianOverLeast = times.median / max(1, times.least)
    let seconds = times.sum / 1e9
    self.involuntarySwitchCount = involuntarySwitchCount
    self.stealShare = stealShare
    var reasons: [String] = []
    if medianOverLeast > MachineNoise.medianOverLeastMax {
      reasons.append("the median is \(Console.fixed(medianOverLeast, 2)) × the minimum")
    }
    if times.spread > MachineNoise.spreadMax {
      reasons.append("the middle half of the times lies \(Console.fixed(100 * times.spread, 0)) % apart")
    }
    if Double(involuntarySwitchCount) > 2 + MachineNoise.switchesASecondMax * seconds {
      reasons.append("\(involuntarySwitchCount) times the processor went to others")
    }
    if let stealShare, stealShare > MachineNoise.stealShareMax {
      reasons.append("the hypervisor took \(Console.fixed(100 * stealShare, 1)) %")
    }
    self.reasons = reasons
  }

  /// One line for people.
  var text: String {
    if reasons.isEmpty { return "the machine was quiet" }
    return "noisy: " + reasons.dropFirst().reduce(reasons[0]) { $0 + ", " + $1 }
  }

  /// As a member of an object that is open.
  func write(to json: inout JSONWriter) {
    json.key("noise")
    json.beginObject()
    json.member("noisy", isNoisy)
    json.member("p50_over_min", medianOverLeast)
    json.member("involuntary_switches", involuntarySwitchCount)
    if let stealShare { json.member("steal_share", stealShare) }
    json.member("reasons", reasons)
    json.endObject()
  }
}

/// Remembers what the kernel has counted so far.
struct MachineWatch {
  private let switches = Process.involuntarySwitchCount
  private let ticks = ProcessorTicks.now

  /// The noise since the watch was made, with the times that were measured meanwhile.
  func noise(_ times: SampleStatistics) -> MachineNoise {
    MachineNoise(
      times, involuntarySwitchCount: Process.involuntarySwitchCount - switches, stealShare: stealShare)
  }

  /// Share of all processors' time since then that a hypervisor gave to others.
  var stealShare: Double? {
    guard let before = ticks, let after = ProcessorTicks.now, after.total > before.total else { return nil }
    return Double(max(0, after.stolen - before.stolen)) / Double(after.total - before.total)
  }
}
