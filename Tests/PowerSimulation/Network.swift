/// What one run of a network asks of a board.
public struct Network: Sendable {
  public var name: String
  /// 8-bit multiplications with addition.
  public var operationCount: Double
  /// Bytes that come from memory, not from a cache, each run.
  public var memoryBytes: Double
  /// The share of the work of which more threads do not make less: layers' beginnings and ends, and waiting for the last.
  public var serialShare: Double

  /// MobileNetV2: 300 million multiplications, which few bytes feed. The serial share: 53 ms with one thread and 18 ms with four
  /// (XNNPACK's README, MobileNet v2 on a Pixel 2).
  public static let convolutional = Network(
    name: "convolutional", operationCount: 300e6, memoryBytes: 6e6, serialShare: 0.12)
  /// A recurrent or fully connected network: each of 24 MB of weights is used once, and memory sets the pace.
  public static let streaming = Network(
    name: "streaming", operationCount: 24e6, memoryBytes: 24e6, serialShare: 0.05)

  /// A thread's operations a second.
  static func speed(_ cluster: Board.Cluster, _ megahertz: Double) -> Double {
    megahertz * 1e6 * cluster.operationsPerCycle
  }

  /// One run: seconds, and the share of it that the threads compute; the rest they wait for memory or for each other.
  ///
  /// `threads`: what each can do, in operations a second, the first at least as much as any other. `sharesEvenly`: every thread
  /// gets as much work as every other, as engines do that cut each layer into equal parts; otherwise as much as it can do.
  func run(_ board: Board, threads: [Double], sharesEvenly: Bool = false) -> (seconds: Double, computing: Double) {
    let first = threads.first ?? 1
    let speed = sharesEvenly ? (threads.min() ?? 1) * Double(threads.count) : threads.reduce(0, +)
    let serial = operationCount * serialShare / first
    let parallel = operationCount * (1 - serialShare) / speed
    let memory = memoryBytes / min(board.bandwidth, board.coreBandwidth * Double(threads.count))
    let seconds = max(serial + parallel, memory)
    let busy =
      serial + threads.map { sharesEvenly ? parallel * speed / Double(threads.count) / $0 : parallel }.reduce(0, +)
    return (seconds, min(1, busy / Double(threads.count) / seconds))
  }
}
