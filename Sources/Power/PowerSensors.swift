import System

/// Reads what the machine says of heat, processors and power. Every source is optional; what fails is left out of the readings
/// and never taken for good news.
///
/// Directories are looked through at the start, after an event, when something has gone, and every 30 s; between, a reading
/// opens only files that were found. Not for several threads at once.
public final class PowerSensors {
  static let scanIntervalNanoseconds: Int64 = 30_000_000_000
  /// Some batteries take milliseconds to answer.
  static let supplyIntervalNanoseconds: Int64 = 10_000_000_000

  private let root: String
  /// The processors that the affinity mask allows; nil: the kernel is asked.
  public var usableProcessors: [Int]?
  private var thermal = ThermalSensors()
  private var processors = ProcessorSensors()
  private var limits = GroupLimits()
  private var supplies = SupplySensors()
  private var supply = PowerReadings.PowerSupply()
  private var energy = EnergyCounters()
  private var firmware: FirmwareSensors
  private var mustScan = false
  private var scannedAt: Int64?
  private var supplyReadAt: Int64?

  /// `root` replaces `/`, and `usableProcessors` the affinity mask, for tests. `throttleFile` is the firmware's word where the
  /// board has it elsewhere than most.
  public init(root: String = "", usableProcessors: [Int]? = nil, throttleFile: String? = nil) {
    self.root = root
    self.usableProcessors = usableProcessors
    firmware = FirmwareSensors(root: root, throttleFile: throttleFile)
    scan()
  }

  /// Devices have come, gone or changed: the next reading looks for them.
  public func devicesChanged() { mustScan = true }

  /// A supply has changed: the next reading asks it.
  public func supplyChanged() { supplyReadAt = nil }

  /// How often readings are worth taking where nothing else wakes: 1 s for heat, 10 s for batteries and clocks; nil: never, as
  /// there are no such sensors.
  public var pollIntervalNanoseconds: Int64? {
    if !thermal.isEmpty || firmware.hasThrottleWord { return 1_000_000_000 }
    return supplies.isEmpty && !processors.hasClocks ? nil : PowerSensors.supplyIntervalNanoseconds
  }

  /// Files that `PowerNotices` watches: of sysfs, whose drivers say when they change; and those that somebody writes.
  var changingFiles: [String] { firmware.watchedFiles }
  var writtenFiles: [String] { firmware.writtenFiles + limits.writtenFiles }

  public func read(nowNanoseconds: Int64 = Clock.nowNanoseconds) -> PowerReadings {
    let lastScan = scannedAt ?? nowNanoseconds
    scannedAt = lastScan
    if mustScan || PowerSensors.isDue(lastScan, PowerSensors.scanIntervalNanoseconds, nowNanoseconds) {
      scan()
      scannedAt = nowNanoseconds
    }
    var readings = PowerReadings()
    if !thermal.read(into: &readings) {
      thermal.scan(root: root)
      _ = thermal.read(into: &readings)
    }
    processors.read(
      root: root, usable: usableProcessors ?? Thread.usableProcessors, limits: limits, into: &readings)
    readings.processorQuota = limits.quota
    readings.processorPressurePercent = limits.pressurePercent
    if PowerSensors.isDue(supplyReadAt, PowerSensors.supplyIntervalNanoseconds, nowNanoseconds) {
      supply = supplies.read()
      supplyReadAt = nowNanoseconds
    }
    readings.supply = supply
    firmware.read(into: &readings)
    readings.energyMicrojoules = energy.read()
    return readings
  }

  private static func isDue(_ last: Int64?, _ interval: Int64, _ now: Int64) -> Bool {
    guard let last else { return true }
    let (elapsed, overflows) = now.subtractingReportingOverflow(last)
    return overflows || elapsed < 0 || elapsed >= interval
  }

  private func scan() {
    thermal.scan(root: root)
    limits = GroupLimits(root: root)
    processors.scan()
    supplies.scan(root: root)
    energy.scan(root: root)
    firmware.scan(root: root)
    supplyReadAt = nil
    mustScan = false
  }
}
