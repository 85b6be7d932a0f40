import Devices
import Power

/// The governor with the profile that the command line asks for.
struct PowerDecider {
  static let options: [Option] = [
    Option("profile", "NAME", "power profile (default: the target's, else balanced)"),
    Option("profiles", "DIR", "where power profiles are (default: \(PowerProfileDirectory.installedPath))"),
  ]

  private let wanted: PowerProfile
  private let others: [PowerProfile]
  private var governor: PowerGovernor

  init(_ arguments: Arguments, target: Target?) throws(CommandError) {
    let directory = PowerProfileDirectory(arguments.text("profiles") ?? PowerProfileDirectory.installedPath)
    let name = arguments.text("profile") ?? target?.power.profile ?? PowerProfile.balanced.name
    do throws(TargetError) { (wanted, others) = try directory.profiles(for: name) } catch {
      throw .failure(error.message)
    }
    governor = PowerGovernor(profile: wanted, profiles: others)
  }

  mutating func decide(_ readings: PowerReadings, nowNanoseconds: Int64) -> PowerDecision {
    governor.decide(readings, nowNanoseconds: nowNanoseconds)
  }

  /// Forgets what it has seen.
  mutating func restart() { governor = PowerGovernor(profile: wanted, profiles: others) }
}
