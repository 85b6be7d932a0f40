/// Places buffers with known lifetimes in one arena so that those alive at the same time do not overlap.
///
/// One after the other, each at the lowest offset that is free over its lifetime, in the better of two orders: the largest
/// first, or those first that are alive at the step with the most bytes, then at the next one, the largest first (Pisarchyk and
/// Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020, greedy by size and greedy by breadth).
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

  /// Offset of each buffer, and the bytes of the whole arena. Offsets are multiples of `alignment`.
  public static func place(_ buffers: [Buffer]) -> (offsets: [Int], byteCount: Int) {
    let bySize = buffers.indices.sorted { (buffers[$1].byteCount, $0) < (buffers[$0].byteCount, $1) }
    let first = place(buffers, inOrder: bySize)
    let (order, breadth) = orderByBreadth(buffers, bySize)
    // No placement takes less than the widest step.
    if first.byteCount <= breadth { return first }
    let second = place(buffers, inOrder: order)
    return second.byteCount < first.byteCount ? second : first
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

  /// The buffers by the widest step at which each is alive, then by size; and the bytes of the widest step of all.
  private static func orderByBreadth(_ buffers: [Buffer], _ bySize: [Int]) -> (order: [Int], byteCount: Int) {
    let first = buffers.map { $0.firstStep }.min() ?? 0
    let count = (buffers.map { $0.lastStep }.max() ?? 0) - first + 1
    var breadths = [Int](repeating: 0, count: count + 1)
    for buffer in buffers {
      breadths[buffer.firstStep - first] += aligned(buffer.byteCount)
      breadths[buffer.lastStep - first + 1] -= aligned(buffer.byteCount)
    }
    for step in 1..<breadths.count { breadths[step] += breadths[step - 1] }
    var isTaken = buffers.map { _ in false }
    var order: [Int] = []
    order.reserveCapacity(buffers.count)
    for step in breadths.indices.sorted(by: { (breadths[$1], $0) < (breadths[$0], $1) }) {
      if order.count == buffers.count { break }
      for index in bySize where !isTaken[index] {
        guard buffers[index].firstStep - first <= step, step <= buffers[index].lastStep - first else { continue }
        isTaken[index] = true
        order.append(index)
      }
    }
    return (order, breadths.max() ?? 0)
  }
}
