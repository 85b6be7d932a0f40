import Power

/// A stream of requests that come at a steady rate, one policy on one board: how long answers take as the board warms up.
public struct StreamSimulation: Sendable {
  /// From a request's arrival to its answer; the 95th percentile of each minute, in seconds.
  public private(set) var p95: [Double] = []
  public private(set) var joules = 0.0
  public private(set) var secondsAboveTrip = 0.0

  /// The last minute's against the first's.
  public var growth: Double { p95.last! / p95.first! }

  /// `rate`: requests a second.
  public init(_ board: Board, _ network: Network, _ policy: Policy, rate: Double, minutes: Int = 30, seed: UInt64 = 1) {
    var state = BoardState(board, seed: seed)
    var player = Player(policy, board, network, rate: rate)
    var lookedAt = -1.0
    var freeAt = 0.0
    var latencies: [Double] = []
    for request in 0..<Int(Double(minutes) * 60 * rate) {
      let arrival = Double(request) / rate
      if Int(arrival / 60) > p95.count { close(&latencies) }
      pass(&state, until: max(arrival, freeAt), busy: [], computing: 0)
      if state.seconds - lookedAt >= 1 {
        lookedAt = state.seconds
        _ = player.look(&state)
      }
      let placement = player.placement
      let threads = placement.threads.map { Network.speed(board.clusters[$0], state.megahertz($0)) }
      let run = network.run(board, threads: threads, sharesEvenly: player.sharesEvenly)
      var whole = placement
      whole.duty = 1
      pass(&state, until: state.seconds + run.seconds, busy: whole.busy(board), computing: run.computing)
      latencies.append(state.seconds - arrival)
      // Pauses of the governor's, as the scheduler takes them: what comes later does not wait.
      freeAt = state.seconds + min(2, run.seconds * (1 - placement.duty) / placement.duty)
    }
    close(&latencies)
  }

  private mutating func close(_ latencies: inout [Double]) {
    latencies.sort()
    p95.append(latencies.isEmpty ? 0 : latencies[min(latencies.count - 1, latencies.count * 95 / 100)])
    latencies.removeAll()
  }

  private mutating func pass(_ state: inout BoardState, until end: Double, busy: [Double], computing: Double) {
    let busy = busy.isEmpty ? state.board.clusters.map { _ in 0 } : busy
    while state.seconds < end - 1e-9 {
      let step = min(0.1, end - state.seconds)
      joules += state.advance(seconds: step, busy: busy, computing: computing)
      if state.seconds > Simulation.firstSeconds && state.die >= state.board.passiveTrip { secondsAboveTrip += step }
    }
  }
}
