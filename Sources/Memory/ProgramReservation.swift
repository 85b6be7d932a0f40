import System

/// What the program itself takes, reserved first: code, the C library, the heap's small objects, the main stack.
public final class ProgramReservation: Sendable {
  private let files: MemoryBudget.Reservation
  private let memory: MemoryBudget.Reservation

  /// Small heap objects (names, tables, connections' bookkeeping) that are not reserved one by one; measured at 200 KiB.
  public static let heapByteCount = 512 * 1024

  public init(budget: MemoryBudget) throws(MemoryError) {
    // What is resident now without files, and every page of the program and its libraries, touched or not. A file's size
    // says little: symbols are never mapped. Both differ from run to run by the stack's few pages only.
    let peak = Process.peakResidentByteCount
    let anonymous = Process.memoryByteCount("RssAnon") ?? peak
    let mapped = Process.mappedFileByteCount ?? 0
    let resident = max(peak, anonymous + mapped)
    // Together first, so that a refusal names what both take.
    try budget.check(resident + ProgramReservation.heapByteCount)
    files = try budget.reserve(mapped, for: .program, kind: .mapped)
    memory = try budget.reserve(resident - mapped + ProgramReservation.heapByteCount, for: .program)
  }
}
