import System

/// What the program itself takes, reserved first: code, the C library, the heap's small objects, the main stack.
public final class ProgramReservation: Sendable {
  private let reservation: MemoryBudget.Reservation

  /// Small heap objects (names, tables, connections' bookkeeping) that are not reserved one by one.
  public static let heapByteCount = 768 * 1024

  public init(budget: MemoryBudget) throws(MemoryError) {
    // Resident now, and the pages of the program and its libraries that have not been touched yet but will be. A file's
    // size says little: symbols are never mapped.
    let resident = Process.peakResidentByteCount
    let untouched = max(0, (Process.mappedFileByteCount ?? 0) - (Process.memoryByteCount("RssFile") ?? 0))
    reservation = try budget.reserve(resident + untouched + ProgramReservation.heapByteCount, for: .program)
  }
}
