import Devices
import Power
import System

/// The governor, what feeds it, and when it wants to be looked at. Owned by the event loop.
final class PowerWatch {
  let sensors: PowerSensors
  let notices: PowerNotices
  let configuration: PowerConfiguration
  private var governor: PowerGovernor
  private(set) var readings = PowerReadings()
  private(set) var decision: PowerDecision
  /// Changes of what was decided, and when the last one was.
  private(set) var changeCount = 0
  private(set) var changedMilliseconds = Clock.wallMilliseconds
  private var lastLookNanoseconds: Int64
  private let firstMark: EnergyMark
  /// Tells when a profile's file changes; nil where that cannot be watched.
  private let files: FilesNotice?
  var filesDescriptor: Int32? { files?.descriptor }

  init(_ configuration: PowerConfiguration, root: String, now: Int64 = Clock.nowNanoseconds) {
    self.configuration = configuration
    sensors = PowerSensors(root: root)
    notices = PowerNotices(sensors, hearsKernel: root.isEmpty)
    governor = configuration.makeGovernor()
    files = configuration.directory.flatMap { FilesNotice($0.path) }
    readings = sensors.read(nowNanoseconds: now)
    configuration.target?.power.complete(&readings)
    decision = governor.decide(readings, nowNanoseconds: now)
    lastLookNanoseconds = now
    firstMark = EnergyMark(
      readings, nanoseconds: now, runCount: 0, coreNanoseconds: Clock.processCPUNanoseconds)
  }

  /// What runs since the start took, by the processors' counters, the battery or the target's figures; nil where none says.
  func energy(runCount: Int, coreNanoseconds: Int64) -> EnergyEstimate? {
    let last = EnergyMark(
      readings, nanoseconds: Clock.nowNanoseconds, runCount: runCount, coreNanoseconds: coreNanoseconds)
    let strongest = configuration.target?.power.clusters.first?.activeMilliwatts
    return EnergyEstimate(from: firstMark, to: last, milliwattsPerCore: strongest)
  }

  /// Never where there is nothing to read: an idle machine is left alone.
  var dueNanoseconds: Int64 { sensors.pollIntervalNanoseconds.map { lastLookNanoseconds + $0 } ?? Int64.max }

  /// Reads and decides. Returns whether the state, the source, the profile or the threads have changed; how long runs rest in
  /// between changes often and a little.
  func look(_ now: Int64) -> Bool {
    lastLookNanoseconds = now
    readings = sensors.read(nowNanoseconds: now)
    configuration.target?.power.complete(&readings)
    let last = decision
    decision = governor.decide(readings, nowNanoseconds: now)
    guard !decision.isAlike(last) else { return false }
    changeCount += 1
    changedMilliseconds = Clock.wallMilliseconds
    return true
  }

  /// Whether files of the profiles' folder have changed since it was asked last.
  func takeFilesNotice() -> Bool {
    guard let files, files.isReady else { return false }
    files.rearm()
    return true
  }

  /// Reads the profiles again. Errors: a file is malformed or gone; then everything stays as it was.
  func reload() throws(TargetError) {
    guard let directory = configuration.directory else { return }
    let (wanted, others) = try directory.profiles(for: configuration.profile.name)
    governor.use(wanted, profiles: others)
  }
}

/// A notice that may be absent.
private final class FilesNotice {
  private let notice: KernelNotice

  init?(_ directory: String) {
    guard let notice = try? KernelNotice(filesOf: directory) else { return nil }
    self.notice = notice
  }

  var descriptor: Int32 { notice.descriptor }
  var isReady: Bool { notice.isReady }
  func rearm() { notice.rearm() }
}

extension PowerDecision {
  /// Whether people would call it the same decision.
  fileprivate func isAlike(_ other: PowerDecision) -> Bool {
    state == other.state && source == other.source && profile == other.profile && threadCount == other.threadCount
      && processors == other.processors
  }
}

/// What a server needs to govern its effort.
public struct PowerConfiguration: Sendable {
  public var profile: PowerProfile
  /// The standard ones as the folder has them, which may stand in.
  public var profiles: [PowerProfile]
  /// Where the profiles come from, to be watched; nil: they stay as they are.
  public var directory: PowerProfileDirectory?
  /// The kind of device, which knows what the kernel does not say.
  public var target: Target?
  /// Whether somebody has fixed the number of threads: then only pauses are governed.
  public var fixesThreads = false

  public init(
    profile: PowerProfile, profiles: [PowerProfile] = [], directory: PowerProfileDirectory? = nil,
    target: Target? = nil
  ) {
    self.profile = profile
    self.profiles = profiles
    self.directory = directory
    self.target = target
  }

  func makeGovernor() -> PowerGovernor { PowerGovernor(profile: profile, profiles: profiles) }
}
