import System

/// What the program itself takes, reserved first: code, the C library, the heap's small objects, the main stack.
public final class ProgramReservation: Sendable {
  private let reservation: MemoryBudget.Reservation

  /// Small heap objects (names, tables, connections' bookkeeping) that are not reserved one by one.
  public static let heapByteCount = 768 * 1024

  public init(budget: MemoryBudget) throws(MemoryError) {
    // Resident now, and the pages of the executable that have not been touched yet but will be.
    let resident = Process.peakResidentByteCount
    let executable = (try? FileSystem.status(of: "/proc/self/exe"))?.byteCount ?? 0
    let untouched = max(0, executable - (Process.memoryByteCount("RssFile") ?? 0))
    reservation = try budget.reserve(resident + untouched + ProgramReservation.heapByteCount, for: .program)
  }
}
