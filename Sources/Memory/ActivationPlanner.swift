/// Places buffers with known lifetimes in one arena so that those alive at the same time do not overlap.
///
/// Largest first, each at the lowest offset that is free over its lifetime (Pisarchyk and Lee, "Efficient Memory
/// Management for Deep Neural Net Inference", 2020, greedy by size). Where that takes more than what is alive at once, the
/// buffer that lies highest is placed first of all, and all are placed again, a few times.
public struct ActivationPlanner {
  /// A buffer: its bytes, and the first and last step at which it is alive (both inclusive).
  public struct Buffer: Sendable {
    public var byteCount: Int
    public var firstStep: Int
    public var lastStep: Int

    public init(byteCount: Int, firstStep: Int, lastStep: Int) {
      self.byteCount = byteCount
      self.firstStep = firstStep
      self.lastStep = lastStep
    }

    func isAlive(with other: Buffer) -> Bool { firstStep <= other.lastStep && other.firstStep <= lastStep }
  }

  public static let alignment = 64

  /// Times that all buffers are placed again, and the most buffers for which that is done.
  private static let retryCountMax = 6
  private static let retriedBufferCountMax = 1000

  /// Offset of each buffer, and the bytes of the whole arena. Offsets are multiples of `alignment`.
  public static func place(_ buffers: [Buffer]) -> (offsets: [Int], byteCount: Int) {
    var order = buffers.indices.sorted { (buffers[$1].byteCount, $0) < (buffers[$0].byteCount, $1) }
    var best = place(buffers, inOrder: order)
    guard buffers.count <= retriedBufferCountMax else { return best }
    let least = aliveByteCountMax(buffers)
    var last = best
    for _ in 0..<retryCountMax where best.byteCount > least {
      let highest = order.firstIndex { last.offsets[$0] + aligned(buffers[$0].byteCount) == last.byteCount }!
      order.insert(order.remove(at: highest), at: 0)
      last = place(buffers, inOrder: order)
      if last.byteCount < best.byteCount { best = last }
    }
    return best
  }

  private static func place(_ buffers: [Buffer], inOrder order: [Int]) -> (offsets: [Int], byteCount: Int) {
    var offsets = buffers.map { _ in 0 }
    var placed: [Int] = []  // by offset
    var total = 0
    for index in order {
      let size = aligned(buffers[index].byteCount)
      var offset = 0
      for other in placed where buffers[other].isAlive(with: buffers[index]) {
        if offset + size <= offsets[other] { break }
        offset = max(offset, offsets[other] + aligned(buffers[other].byteCount))
      }
      offsets[index] = offset
      total = max(total, offset + size)
      let position = placed.firstIndex { offsets[$0] > offset } ?? placed.count
      placed.insert(index, at: position)
    }
    return (offsets, total)
  }

  private static func aligned(_ byteCount: Int) -> Int { (byteCount + alignment - 1) / alignment * alignment }

  /// The most bytes alive at one step: no placement takes less.
  private static func aliveByteCountMax(_ buffers: [Buffer]) -> Int {
    let first = buffers.reduce(0) { min($0, $1.firstStep) }
    let last = buffers.reduce(0) { max($0, $1.lastStep) }
    var changes = [Int](repeating: 0, count: last - first + 2)
    for buffer in buffers {
      changes[buffer.firstStep - first] += aligned(buffer.byteCount)
      changes[buffer.lastStep - first + 1] -= aligned(buffer.byteCount)
    }
    var (sum, most) = (0, 0)
    for change in changes {
      sum += change
      most = max(most, sum)
    }
    return most
  }
}
