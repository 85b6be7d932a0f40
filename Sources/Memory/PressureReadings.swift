/// How bad a reading of the machine's memory is.
public enum PressureSeverity: Int, Comparable, Sendable {
  case none
  /// Too near the floor to take more, too far to give up anything.
  case near
  case some
  case high
  case critical

  /// Rungs that it leads down.
  public var rungCount: Int { max(0, rawValue - PressureSeverity.near.rawValue) }

  public static func < (a: PressureSeverity, b: PressureSeverity) -> Bool { a.rawValue < b.rawValue }
}

/// What the kernel says of memory at one moment; what it does not say is nil or false.
public struct PressureReadings: Equatable, Sendable {
  /// A stall trigger has fired: some tasks waited for memory, or all did.
  public var hasSomeStall = false
  public var hasFullStall = false
  /// A version 1 group's pressure level was reached.
  public var hasMediumLevel = false
  public var hasCriticalLevel = false
  /// How much the counters of a version 2 group's `memory.events` have grown.
  public var highCount = 0
  public var maxCount = 0
  public var oomCount = 0
  /// The control group's limit, and what of it is in use and not easily given back.
  public var group: Share?
  /// The machine's MemTotal, and what of it is not available.
  public var machine: Share?

  /// Bytes used of a limit.
  public struct Share: Equatable, Sendable {
    public var limitByteCount: Int
    public var usedByteCount: Int

    public init(limitByteCount: Int, usedByteCount: Int) {
      self.limitByteCount = limitByteCount
      self.usedByteCount = usedByteCount
    }

    public var leftByteCount: Int { limitByteCount - min(max(usedByteCount, 0), limitByteCount) }

    /// `floor` is where it begins to be bad; half of it is high, a quarter critical, and five quarters near.
    func severity(floor: Int) -> PressureSeverity {
      let left = leftByteCount
      if left < floor / 4 { return .critical }
      if left < floor / 2 { return .high }
      if left < floor { return .some }
      return left < floor + floor / 4 ? .near : .none
    }
  }

  public init() {}

  /// What of a machine's memory must be available: below it programs' own pages are thrown out and read again.
  public static func machineFloor(_ limitByteCount: Int) -> Int { min(limitByteCount / 16, 256 << 20) }
  /// What of a group's limit must be left. Less than of a machine's, as a budget may be as large as the limit.
  public static func groupFloor(_ limitByteCount: Int) -> Int { min(limitByteCount / 32, 64 << 20) }

  /// A group that reads files is always full and reclaims all the time: what its kernel says of that counts only where little
  /// is left beside the pages that can be given back.
  private var hasRoomInGroup: Bool {
    guard let group else { return false }
    return group.severity(floor: PressureReadings.groupFloor(group.limitByteCount)) == .none
  }

  /// The worst of all, and what it was, for the log; nil where nothing is wrong.
  public var worst: (severity: PressureSeverity, cause: String?) {
    var worst: (severity: PressureSeverity, cause: String?) = (.none, nil)
    func add(_ severity: PressureSeverity, _ cause: @autoclosure () -> String) {
      if severity > worst.severity { worst = (severity, cause()) }
    }
    if hasSomeStall { add(.some, "tasks wait for memory") }
    if hasFullStall { add(.high, "all tasks wait for memory") }
    if !hasRoomInGroup {
      if hasMediumLevel { add(.some, "the control group reclaims much") }
      if hasCriticalLevel { add(.high, "the control group is about to run out") }
      if highCount > 0 { add(.some, "the control group is over memory.high") }
      if maxCount > 0 { add(.high, "the control group has met memory.max") }
    }
    if oomCount > 0 { add(.critical, "the control group is out of memory") }
    if let group {
      add(
        group.severity(floor: PressureReadings.groupFloor(group.limitByteCount)),
        "the control group has \(ByteCount.text(group.leftByteCount)) of \(ByteCount.text(group.limitByteCount)) left")
    }
    if let machine {
      add(
        machine.severity(floor: PressureReadings.machineFloor(machine.limitByteCount)),
        "the machine has \(ByteCount.text(machine.leftByteCount)) of \(ByteCount.text(machine.limitByteCount)) available"
      )
    }
    return worst
  }
}
