import Power
import Runtime

/// Who decides how many threads run.
public enum Policy: Sendable {
  /// A thread on every core, until the kernel throttles. `sharesEvenly`: each layer cut into parts of the same size, as most
  /// engines do.
  case allCores(sharesEvenly: Bool)
  /// One thread on the strongest core.
  case oneThread
  /// Thimble's governor, and the number of threads that the network's measured times are worth.
  case governor(PowerProfile)

  public var name: String {
    switch self {
    case .allCores(let sharesEvenly): sharesEvenly ? "all cores, equal parts" : "all cores"
    case .oneThread: "one thread"
    case .governor(let profile): "governor, \(profile.name)"
    }
  }
}

/// What runs where until somebody decides again.
struct Placement {
  /// Indices of clusters, one a thread.
  var threads: [Int]
  /// 0 to 1.
  var duty = 1.0

  /// So many threads on the strongest cores among `processors`, or among all where there are none.
  init(_ board: Board, threadCount: Int, processors: [Int] = [], duty: Double = 1) {
    var places: [Int] = []
    for (index, cluster) in board.clusters.enumerated() {
      places += cluster.cores.filter { processors.isEmpty || processors.contains($0) }.map { _ in index }
    }
    threads = Array(places.prefix(max(1, threadCount)))
    self.duty = duty
  }

  func busy(_ board: Board) -> [Double] {
    board.clusters.indices.map { index in Double(threads.count { $0 == index }) * duty }
  }
}

extension Network {
  /// What Thimble would measure on the cool board.
  func threadTimes(_ board: Board) -> ThreadTimes {
    let state = BoardState(board)
    var times = ThreadTimes()
    for count in ThreadTimes.candidates(board.coreCount) {
      let threads = Placement(board, threadCount: count).threads.map {
        Network.speed(board.clusters[$0], state.megahertz($0))
      }
      times.add(.init(threadCount: count, nanoseconds: Int64(run(board, threads: threads).seconds * 1e9)))
    }
    return times
  }

  /// How many threads Thimble would take at most.
  public func worthwhileThreadCount(_ board: Board) -> Int { threadTimes(board).worthwhileThreadCount ?? 1 }
}
