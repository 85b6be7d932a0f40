import Power

/// One policy on one board for some time at full load: there is always another request.
public struct Simulation: Sendable {
  public struct Sample: Sendable {
    public let seconds: Double
    public let celsius: Double
    public let megahertz: Double
    public let runsPerSecond: Double
    public let threadCount: Int
    public let dutyPercent: Double
    public let watts: Double
  }

  public private(set) var runCount = 0.0
  public private(set) var joules = 0.0
  /// At the passive trip or above it, after the first minute.
  public private(set) var secondsAboveTrip = 0.0
  public private(set) var celsiusMax = 0.0
  public private(set) var stateChangeCount = 0
  /// One a second.
  public private(set) var samples: [Sample] = []
  /// What the governor said where it changed, for people.
  public private(set) var reasons: [String] = []

  /// Runs a second in the last third: what the warm board keeps up.
  public var sustainedRate: Double {
    let late = samples.suffix(samples.count / 3)
    return late.reduce(0) { $0 + $1.runsPerSecond } / Double(max(1, late.count))
  }

  static let stepSeconds = 0.1
  static let firstSeconds = 60.0

  public init(_ board: Board, _ network: Network, _ policy: Policy, minutes: Double = 30, seed: UInt64 = 1) {
    var state = BoardState(board, seed: seed)
    var player = Player(policy, board, network)
    var last: PowerDecision?
    for step in 0..<Int(minutes * 60 / Simulation.stepSeconds) {
      if step % 10 == 0 {
        let decision = player.look(&state)
        if let decision, let last, decision.state != last.state { stateChangeCount += 1 }
        if let decision, decision.state != last?.state { reasons.append("\(step / 10) s: \(decision.reason)") }
        last = decision ?? last
      }
      let placement = player.placement
      let threads = placement.threads.map { Network.speed(board.clusters[$0], state.megahertz($0)) }
      let run = network.run(board, threads: threads, sharesEvenly: player.sharesEvenly)
      let rate = placement.duty / run.seconds
      let energy = state.advance(
        seconds: Simulation.stepSeconds, busy: placement.busy(board), computing: run.computing)
      joules += energy
      runCount += rate * Simulation.stepSeconds
      if state.seconds > Simulation.firstSeconds {
        if state.die >= board.passiveTrip { secondsAboveTrip += Simulation.stepSeconds }
      }
      celsiusMax = max(celsiusMax, state.die)
      if step % 10 == 0 {
        samples.append(
          Sample(
            seconds: state.seconds, celsius: state.die, megahertz: state.megahertz(0), runsPerSecond: rate,
            threadCount: placement.threads.count, dutyPercent: placement.duty * 100,
            watts: energy / Simulation.stepSeconds))
      }
    }
  }
}

/// A policy at work: looks at the sensors once a second.
struct Player {
  private(set) var placement: Placement
  let sharesEvenly: Bool
  private var governor: PowerGovernor?
  private let board: Board
  private let worthwhile: Int

  /// `rate`: the runs a second that are promised, if any.
  init(_ policy: Policy, _ board: Board, _ network: Network, rate: Double = 0) {
    self.board = board
    worthwhile = network.threadTimes(board).threadCount(forRunsPerSecond: rate) ?? 1
    switch policy {
    case .allCores(let sharesEvenly):
      placement = Placement(board, threadCount: board.coreCount)
      self.sharesEvenly = sharesEvenly
    case .oneThread:
      placement = Placement(board, threadCount: 1)
      sharesEvenly = false
    case .governor(let profile):
      placement = Placement(board, threadCount: 1)
      sharesEvenly = false
      governor = PowerGovernor(profile: profile)
    }
  }

  /// Nil: nobody governs.
  mutating func look(_ state: inout BoardState) -> PowerDecision? {
    let readings = state.readings()
    guard let decision = governor?.decide(readings, nowNanoseconds: Int64(state.seconds * 1e9)) else { return nil }
    placement = Placement(
      board, threadCount: min(worthwhile, decision.threadCount), processors: decision.processors,
      duty: Double(decision.dutyPercent) / 100)
    return decision
  }
}
