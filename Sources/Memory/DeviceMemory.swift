/// Memory of a device (a GPU, an NPU) under a reservation.
///
/// `Memory` is what the device's allocator hands out: a value that gives the memory back when it goes away.
public struct DeviceMemory<Memory: ~Copyable>: ~Copyable {
  // In this order: stored properties go away from the top, and the memory must be gone before the budget has it back.
  public let memory: Memory
  private let reservation: MemoryBudget.Reservation

  /// Reserves, then allocates.
  ///
  /// - Parameters:
  ///   - isShared: whether the device's memory is the machine's, as its target says.
  ///   - allocate: asks the device for so many bytes, whole pages of them; nil where it refuses.
  /// - Throws: that the budget or the device refuses; then nothing stays reserved.
  public init(
    byteCount: Int, for purpose: MemoryBudget.Purpose, isShared: Bool, budget: MemoryBudget,
    allocate: (_ byteCount: Int) -> Memory?
  ) throws(MemoryError) {
    let reservation = try budget.reserve(byteCount, for: purpose, kind: isShared ? .shared : .device)
    guard let memory = allocate(reservation.byteCount) else { throw .refusedByDevice(needed: reservation.byteCount) }
    self.memory = memory
    self.reservation = reservation
  }

  public var byteCount: Int { reservation.byteCount }
}
