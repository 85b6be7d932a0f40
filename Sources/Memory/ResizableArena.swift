import System

/// Memory under a reservation that changes its size; contents do not survive that.
final class ResizableArena {
  private var mapping: Mapping?
  /// Where it starts; nil while it has no bytes.
  private(set) var base: UnsafeMutableRawPointer?
  private var reservation: MemoryBudget.Reservation

  init(for purpose: MemoryBudget.Purpose, budget: MemoryBudget) throws(MemoryError) {
    reservation = try budget.reserve(0, for: purpose)
  }

  var byteCount: Int { reservation.byteCount }

  /// Where it is refused nothing changes.
  func resize(to byteCount: Int) throws(MemoryError) {
    let old = reservation.byteCount
    guard Mapping.roundedToPages(byteCount) != old else { return }
    try reservation.resize(to: byteCount)
    guard byteCount > 0 else {
      mapping = nil
      base = nil
      return
    }
    do {
      // What is new has not been touched when the old one goes: both are never resident together.
      let new = try Mapping(zeroed: byteCount)
      base = new.base
      mapping = consume new
    } catch {
      try? reservation.resize(to: old)
      throw .refusedByKernel(needed: byteCount)
    }
  }
}
