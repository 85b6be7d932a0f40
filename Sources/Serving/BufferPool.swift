import Memory
import System

/// Memory for one body or one answer's tensors, under a reservation.
final class Buffer: @unchecked Sendable {
  private let arena: Arena

  init(
    byteCount: Int, budget: MemoryBudget, for purpose: MemoryBudget.Purpose = .buffers
  ) throws(MemoryError) {
    arena = try Arena(byteCount: byteCount, for: purpose, budget: budget)
  }

  var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: arena.base, count: arena.byteCount)
  }

  /// Gives its pages to the kernel; they are zeros when they are wanted again.
  func releasePages() { arena.releasePages() }
}

/// Bytes of the heap that are held until this object goes away.
final class HeldMemory: Sendable {
  private let reservation: MemoryBudget.Reservation

  init(_ reservation: consuming MemoryBudget.Reservation) { self.reservation = reservation }

  var byteCount: Int { reservation.byteCount }
}

/// Buffers from the memory budget; a few are kept for the next request, so that a stream of like requests asks neither
/// the budget nor the kernel. Spares are given up as soon as the budget is short.
final class BufferPool: @unchecked Sendable {
  private let budget: MemoryBudget
  private let lock = Lock()
  /// Guarded by `lock`.
  private var spares: [Buffer] = []
  private var keeps = true

  init(budget: MemoryBudget) {
    self.budget = budget
    spares.reserveCapacity(ServingLimits.sparesMax)
  }

  /// At least so many bytes, of unknown content.
  func take(_ byteCount: Int) throws(MemoryError) -> Buffer {
    if let spare = takeSpare(byteCount) { return spare }
    do { return try Buffer(byteCount: byteCount, budget: budget) } catch { trim() }
    return try Buffer(byteCount: byteCount, budget: budget)
  }

  /// Reserves bytes that the heap will hold.
  func reserve(_ byteCount: Int) throws(MemoryError) -> HeldMemory {
    do { return HeldMemory(try budget.reserve(byteCount, for: .buffers)) } catch { trim() }
    return HeldMemory(try budget.reserve(byteCount, for: .buffers))
  }

  /// Whether buffers are kept for the next request. Where not, there are no spares.
  var keepsSpares: Bool {
    get { lock.withLock { keeps } }
    set {
      lock.withLock { keeps = newValue }
      if !newValue { trim() }
    }
  }

  /// Bytes of all spares.
  var spareByteCount: Int { lock.withLock { spares.reduce(0) { $0 + $1.bytes.count } } }

  /// Takes back a buffer that nobody points into any more.
  func give(_ buffer: Buffer) {
    lock.withLock {
      let kept = spares.reduce(buffer.bytes.count) { $0 + $1.bytes.count }
      if keeps, spares.count < ServingLimits.sparesMax, kept <= ServingLimits.spareBytesMax { spares.append(buffer) }
    }
  }

  /// Gives every spare back to the budget and the kernel.
  func trim() { lock.withLock { spares.removeAll(keepingCapacity: true) } }

  /// The smallest spare that is large enough.
  private func takeSpare(_ byteCount: Int) -> Buffer? {
    lock.withLock {
      var best: Int?
      for index in spares.indices where spares[index].bytes.count >= byteCount {
        if let found = best, spares[found].bytes.count <= spares[index].bytes.count { continue }
        best = index
      }
      return best.map { spares.remove(at: $0) }
    }
  }
}
