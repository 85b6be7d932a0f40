/// How much effort is right in each thermal state and on each source of power: what a file of `power-profiles/` says.
public struct PowerProfile: Equatable, Sendable {
  public var name: String
  /// For people.
  public var summary: String
  /// Whether power-profiles-daemon's or the firmware's profile chooses among the profiles of that name instead.
  public var followsPlatform: Bool
  /// By `ThermalState.rawValue`, then by `PowerSource.rawValue`.
  public var efforts: [[Effort]]

  public init(name: String, summary: String = "", followsPlatform: Bool = false, efforts: [[Effort]]) {
    precondition(
      efforts.count == ThermalState.allCases.count && efforts.allSatisfy { $0.count == PowerSource.allCases.count })
    self.name = name
    self.summary = summary
    self.followsPlatform = followsPlatform
    self.efforts = efforts
  }

  public subscript(state: ThermalState, source: PowerSource) -> Effort { efforts[state.rawValue][source.rawValue] }

  /// What one state on one source allows.
  public struct Effort: Equatable, Sendable {
    public var threads: Threads
    public var cores: CoreClass
    /// Percent of the time that inferences may run; 100: no pauses.
    public var dutyPercent: Int
    /// How long a request may wait for others to share a batch with.
    public var batchWindowMicros: Int
    /// Whether threads turn a while between layers (quick) or park at once (cool).
    public var spins: Bool

    public init(
      threads: Threads, cores: CoreClass = .any, dutyPercent: Int = 100, batchWindowMicros: Int = 0, spins: Bool = true
    ) {
      self.threads = threads
      self.cores = cores
      self.dutyPercent = dutyPercent
      self.batchWindowMicros = batchWindowMicros
      self.spins = spins
    }
  }

  public enum Threads: Equatable, Sendable {
    case count(Int)
    /// Percent of the physical cores of the class, rounded down, at least one thread.
    case percent(Int)
  }

  public enum CoreClass: String, CaseIterable, Sendable {
    case any
    /// The cluster of the greatest capacity.
    case big
    /// The cluster of the least capacity.
    case little
  }
}

/// How near the machine is to losing speed to heat, coolest first.
public enum ThermalState: Int, CaseIterable, Comparable, Sendable {
  case nominal, fair, serious, critical

  public static func < (left: ThermalState, right: ThermalState) -> Bool { left.rawValue < right.rawValue }

  public var name: String {
    switch self {
    case .nominal: "nominal"
    case .fair: "fair"
    case .serious: "serious"
    case .critical: "critical"
    }
  }
}

/// Where the power comes from.
public enum PowerSource: Int, CaseIterable, Sendable {
  case mains
  case battery
  /// Little is left in the battery.
  case lowBattery

  public var name: String {
    switch self {
    case .mains: "mains"
    case .battery: "battery"
    case .lowBattery: "low_battery"
    }
  }
}
