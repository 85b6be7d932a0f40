/// What a process gives up, step by step, when the machine or its control group runs short of memory: down at once, back up
/// only after a quiet time. Pure: readings and the clock are passed in.
public struct PressureLadder: Sendable {
  /// How far down; every rung includes those before it.
  public enum Rung: Int, CaseIterable, Comparable, Sendable {
    case none
    /// No results are kept, and no buffers for the next request.
    case spares
    /// Models that are idle keep no weights.
    case idleCaches
    /// No model keeps weights between inferences.
    case streamed
    /// Requests run one by one: no activations but one inference's.
    case unbatched
    /// Models that are idle are put to sleep.
    case sleep
    /// No new inferences are taken.
    case refuse

    public var name: String {
      switch self {
      case .none: "none"
      case .spares: "spares"
      case .idleCaches: "idle_caches"
      case .streamed: "streamed"
      case .unbatched: "unbatched"
      case .sleep: "sleep"
      case .refuse: "refuse"
      }
    }

    public static func < (a: Rung, b: Rung) -> Bool { a.rawValue < b.rawValue }

    fileprivate func moved(by count: Int) -> Rung {
      Rung(rawValue: min(max(rawValue + count, Rung.none.rawValue), Rung.refuse.rawValue)) ?? .none
    }
  }

  /// A change of rung.
  public struct Step: Equatable, Sendable {
    public let from: Rung
    public let to: Rung

    public var isDown: Bool { to > from }
  }

  /// Readings within this time are one: it leads down as many rungs as its worst is worth.
  public static let burstNanoseconds: Int64 = 1_000_000_000
  /// Quiet time before a step up, at first and at most; it doubles when a step up is taken back within `relapseNanoseconds`.
  public static let quietNanosecondsMin: Int64 = 10_000_000_000
  public static let quietNanosecondsMax: Int64 = 300_000_000_000
  public static let relapseNanoseconds: Int64 = 60_000_000_000

  public private(set) var rung = Rung.none
  /// How long it must be quiet before the next step up.
  public private(set) var quietNanoseconds = quietNanosecondsMin
  private var burst: (startNanoseconds: Int64, rungCount: Int)?
  private var lastStepUpNanoseconds: Int64?
  /// Since when nothing has been wrong.
  private var quietSinceNanoseconds: Int64 = 0

  public init() {}

  /// When a step up is due if it stays quiet; no time on the top rung.
  public var dueNanoseconds: Int64 {
    rung == .none ? Int64.max : quietSinceNanoseconds + quietNanoseconds
  }

  /// Takes note of a reading. Returns the step that it leads to.
  public mutating func note(_ severity: PressureSeverity, at now: Int64) -> Step? {
    if severity == .none { return stepUp(now) }
    quietSinceNanoseconds = now
    let worth = severity.rungCount
    guard worth > 0 else { return nil }
    if let open = burst, now - open.startNanoseconds < PressureLadder.burstNanoseconds {
      guard worth > open.rungCount else { return nil }
      burst = (open.startNanoseconds, worth)
      return move(by: worth - open.rungCount)
    }
    burst = (now, worth)
    if let lastUp = lastStepUpNanoseconds {
      let isRelapse = now - lastUp < PressureLadder.relapseNanoseconds
      quietNanoseconds =
        isRelapse
        ? min(2 * quietNanoseconds, PressureLadder.quietNanosecondsMax) : PressureLadder.quietNanosecondsMin
      lastStepUpNanoseconds = nil
    }
    return move(by: worth)
  }

  private mutating func stepUp(_ now: Int64) -> Step? {
    guard now >= dueNanoseconds else { return nil }
    quietSinceNanoseconds = now
    lastStepUpNanoseconds = now
    return move(by: -1)
  }

  private mutating func move(by count: Int) -> Step? {
    let step = Step(from: rung, to: rung.moved(by: count))
    rung = step.to
    return step.from == step.to ? nil : step
  }
}
