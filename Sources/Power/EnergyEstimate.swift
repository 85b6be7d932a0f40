/// What was known of energy and work at one moment: two of them tell what the work between them took.
public struct EnergyMark: Equatable, Sendable {
  public var nanoseconds: Int64
  /// Of the processors' counters; nil where they cannot be read.
  public var energyMicrojoules: Int64?
  /// What the battery gives now; nil where it gives nothing or does not say.
  public var dischargeMicrowatts: Int64?
  /// Inferences so far, and the time that cores have spent on them, summed over cores.
  public var runCount: Int
  public var coreNanoseconds: Int64

  public init(_ readings: PowerReadings, nanoseconds: Int64, runCount: Int, coreNanoseconds: Int64) {
    self.nanoseconds = nanoseconds
    energyMicrojoules = readings.energyMicrojoules
    dischargeMicrowatts = readings.supply.isDischarging ? readings.supply.dischargeMicrowatts : nil
    self.runCount = runCount
    self.coreNanoseconds = coreNanoseconds
  }
}

/// Joules that some inferences took, and who says so.
public struct EnergyEstimate: Equatable, Sendable {
  public enum Source: String, CaseIterable, Sendable {
    /// The processors' counters: all that they did meanwhile, with what leaks while they wait.
    case powercap
    /// The battery: all that the machine took meanwhile.
    case battery
    /// The target's figure for a busy core, times the time that cores were busy; nothing for what runs beside.
    case model
  }

  public let joules: Double
  public let source: Source
  public let runCount: Int
  private let coreNanoseconds: Int64

  /// Nil where nobody says, or no time has passed. `milliwattsPerCore`: what a busy core takes, by the target.
  public init?(from first: EnergyMark, to last: EnergyMark, milliwattsPerCore: Int? = nil) {
    let seconds = Double(last.nanoseconds) / 1e9 - Double(first.nanoseconds) / 1e9
    let cores = Double(last.coreNanoseconds) - Double(first.coreNanoseconds)
    guard seconds > 0, cores >= 0, last.runCount >= first.runCount else { return nil }
    if let start = first.energyMicrojoules, let end = last.energyMicrojoules, end > start {
      joules = (Double(end) - Double(start)) / 1e6
      source = .powercap
    } else if let start = first.dischargeMicrowatts, let end = last.dischargeMicrowatts, start >= 0, end >= 0,
      start > 0 || end > 0
    {
      joules = (Double(start) + Double(end)) / 2e6 * seconds
      source = .battery
    } else if let milliwattsPerCore, milliwattsPerCore > 0 {
      joules = Double(milliwattsPerCore) / 1000 * cores / 1e9
      source = .model
    } else {
      return nil
    }
    runCount = last.runCount - first.runCount
    coreNanoseconds = Int64(min(cores, 9e18))
  }

  /// Nil where nothing ran.
  public var joulesPerRun: Double? { runCount > 0 ? joules / Double(runCount) : nil }

  /// The part of somebody, such as a client, whose inferences took so much of the cores' time.
  public func joules(ofCoreNanoseconds part: Int64) -> Double {
    guard coreNanoseconds > 0, part > 0 else { return 0 }
    return joules * min(1, Double(part) / Double(coreNanoseconds))
  }
}
