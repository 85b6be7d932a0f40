import System

/// Zeroed memory under a reservation: one model's activations, or decoded weights.
public struct Arena: ~Copyable, @unchecked Sendable {
  // In this order: stored properties go away from the top, and the memory must be gone before the budget has it back.
  private let mapping: Mapping
  private let reservation: MemoryBudget.Reservation

  /// Reserves, then allocates.
  public init(byteCount: Int, for purpose: MemoryBudget.Purpose, budget: MemoryBudget) throws(MemoryError) {
    let reservation = try budget.reserve(byteCount, for: purpose)
    let mapping: Mapping
    do { mapping = try Mapping(zeroed: byteCount) } catch { throw .refusedByKernel(needed: byteCount) }
    self.reservation = reservation
    self.mapping = mapping
  }

  public var base: UnsafeMutableRawPointer { mapping.base }
  public var byteCount: Int { mapping.byteCount }

  /// Gives its pages to the kernel, while the reservation stays; they are zeros when they are wanted again.
  public func releasePages() { mapping.releasePages(offset: 0, byteCount: mapping.byteCount) }
}
