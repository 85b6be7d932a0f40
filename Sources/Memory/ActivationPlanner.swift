/// Places buffers with known lifetimes in one arena so that those alive at the same time do not overlap.
///
/// Largest first, each at the lowest offset that is free over its lifetime (Pisarchyk and Lee, "Efficient Memory
/// Management for Deep Neural Net Inference", 2020, greedy by size).
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
    var offsets = buffers.map { _ in 0 }
    var placed: [Int] = []  // by offset
    var total = 0
    let order = buffers.indices.sorted {
      (buffers[$1].byteCount, $0) < (buffers[$0].byteCount, $1)
    }
    for index in order {
      let size = (buffers[index].byteCount + alignment - 1) / alignment * alignment
      var offset = 0
      for other in placed where buffers[other].isAlive(with: buffers[index]) {
        if offset + size <= offsets[other] { break }
        let end = offsets[other] + (buffers[other].byteCount + alignment - 1) / alignment * alignment
        offset = max(offset, end)
      }
      offsets[index] = offset
      total = max(total, offset + size)
      let position = placed.firstIndex { offsets[$0] > offset } ?? placed.count
      placed.insert(index, at: position)
    }
    return (offsets, total)
  }
}
