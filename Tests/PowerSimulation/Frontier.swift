import Foundation

/// What a board could do at best on the warm board if somebody set its clocks, threads and pauses freely: the bound that every
/// policy is judged by.
public struct Frontier: Sendable {
  public struct Point: Sendable {
    public let runsPerSecond: Double
    /// At the wall, once all has warmed up.
    public let watts: Double
    public let celsius: Double
    /// Whether every core that works runs at its highest clock.
    public let isAtFullClock: Bool
  }

  public let points: [Point]

  public init(_ board: Board, _ network: Network) {
    var points: [Point] = []
    func choose(_ cluster: Int, _ cores: [(count: Int, point: Int)]) {
      if cluster < board.clusters.count {
        choose(cluster + 1, cores + [(0, board.clusters[cluster].points.count - 1)])
        for count in 1...board.clusters[cluster].cores.count {
          for point in board.clusters[cluster].points.indices { choose(cluster + 1, cores + [(count, point)]) }
        }
        return
      }
      for percent in stride(from: 20, through: 100, by: 5) {
        if let point = Frontier.point(board, network, cores, duty: Double(percent) / 100) { points.append(point) }
      }
    }
    choose(0, [])
    self.points = points
  }

  /// Where heat comes to rest; nil where no core works or it never does.
  private static func point(
    _ board: Board, _ network: Network, _ cores: [(count: Int, point: Int)], duty: Double
  ) -> Point? {
    var threads: [Double] = []
    for (cluster, choice) in zip(board.clusters, cores) {
      let speed = Network.speed(cluster, cluster.points[choice.point].megahertz)
      threads += Array(repeating: speed, count: choice.count)
    }
    guard !threads.isEmpty else { return nil }
    let run = network.run(board, threads: threads.sorted(by: >))
    let points = cores.map { $0.point }
    let busy = cores.map { Double($0.count) * duty }
    var celsius = 60.0
    for _ in 0..<40 {
      let die = board.dieWatts(busy: busy, computing: run.computing, points: points, celsius: celsius)
      celsius =
        board.ambient + (die + board.idleWatts) * board.thermal.boardToAir
        + (die + board.idleWatts * BoardState.idleShare) * board.thermal.dieToBoard
      guard celsius < 150 else { return nil }
    }
    let die = board.dieWatts(busy: busy, computing: run.computing, points: points, celsius: celsius)
    let isFull = zip(board.clusters, cores).allSatisfy { $1.count == 0 || $1.point == $0.points.count - 1 }
    return Point(
      runsPerSecond: duty / run.seconds, watts: die + board.idleWatts, celsius: celsius, isAtFullClock: isFull)
  }

  /// The least that so many runs a second could take, however hot it gets.
  public func leastWatts(forRunsPerSecond rate: Double) -> Double? {
    points.filter { $0.runsPerSecond >= rate * (1 - 1e-9) }.map { $0.watts }.min()
  }

  /// The most that could be done without getting hotter.
  public func mostRunsPerSecond(upTo celsius: Double, atFullClock: Bool) -> Double? {
    points.filter { $0.celsius <= celsius && (!atFullClock || $0.isAtFullClock) }.map { $0.runsPerSecond }.max()
  }
}
