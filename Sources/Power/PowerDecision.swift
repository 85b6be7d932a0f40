/// What the governor decides from readings, a profile and the time; holds until the next.
public struct PowerDecision: Equatable, Sendable {
  public var state: ThermalState
  public var source: PowerSource
  /// The profile whose effort this is: the one asked for, or the one that battery or platform put in its place.
  public var profile: String
  /// At least 1.
  public var threadCount: Int
  /// Processors to run the threads on, one each, the best first; empty: the kernel chooses.
  public var processors: [Int]
  public var dutyPercent: Int
  public var batchWindowMicros: Int
  public var spins: Bool
  /// Distance to the passive trip: 0 is 25 °C below it, 1 is at it; nil: no sensor says.
  public var headroom: Double?
  /// Why, in one line for people.
  public var reason: String

  public init(
    state: ThermalState, source: PowerSource, profile: String, threadCount: Int, processors: [Int] = [],
    dutyPercent: Int = 100, batchWindowMicros: Int = 0, spins: Bool = true, headroom: Double? = nil, reason: String
  ) {
    self.state = state
    self.source = source
    self.profile = profile
    self.threadCount = threadCount
    self.processors = processors
    self.dutyPercent = dutyPercent
    self.batchWindowMicros = batchWindowMicros
    self.spins = spins
    self.headroom = headroom
    self.reason = reason
  }
}
