import Memory

/// A request's body as it is gathered, in memory of the budget.
struct RequestBody {
  private(set) var buffer: Buffer
  private(set) var count = 0
  private let pool: BufferPool

  /// Memory for `capacity` bytes; a body that turns out longer moves to larger memory.
  init(capacity: Int, pool: BufferPool) throws(MemoryError) {
    buffer = try pool.take(capacity)
    self.pool = pool
  }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: buffer.bytes[..<count]) }

  /// Where bytes may be received directly, at most `limit` of them.
  func space(_ limit: Int) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[count..<min(buffer.bytes.count, count + limit)])
  }

  /// Says that so many bytes were received into `space`.
  mutating func fill(_ added: Int) { count += added }

  mutating func append(_ added: UnsafeRawBufferPointer) throws(MemoryError) {
    if buffer.bytes.count - count < added.count {
      let larger = try pool.take(max(2 * buffer.bytes.count, count + added.count))
      larger.bytes.copyMemory(from: bytes)
      pool.give(buffer)
      buffer = larger
    }
    space(added.count).copyMemory(from: added)
    count += added.count
  }

  /// Hands the memory back for the next request.
  func giveBack() { pool.give(buffer) }
}
