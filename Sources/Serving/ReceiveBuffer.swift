/// A connection's fixed buffer: bytes received and not yet consumed stand in its middle.
struct ReceiveBuffer {
  private let memory: UnsafeMutableRawBufferPointer
  private var start = 0
  private var end = 0

  init(_ memory: UnsafeMutableRawBufferPointer) { self.memory = memory }

  var isEmpty: Bool { start == end }
  var unread: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[start..<end]) }

  mutating func consume(_ count: Int) {
    start += count
    if start == end { (start, end) = (0, 0) }
  }

  /// Where to receive more; empty where the buffer is full.
  mutating func space() -> UnsafeMutableRawBufferPointer {
    if end == memory.count, start > 0 {
      memory.baseAddress!.copyMemory(from: memory.baseAddress! + start, byteCount: end - start)
      (start, end) = (0, end - start)
    }
    return UnsafeMutableRawBufferPointer(rebasing: memory[end...])
  }

  /// Says that so many bytes were received into `space`.
  mutating func fill(_ count: Int) { end += count }
}
