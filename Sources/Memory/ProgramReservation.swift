import System

/// What the program itself takes, reserved first: code, the C library, the heap's small objects, the main stack.
public final class ProgramReservation: Sendable {
  private let files: MemoryBudget.Reservation
  private let memory: MemoryBudget.Reservation

  /// Small heap objects (names, tables, connections' bookkeeping) that are not reserved one by one; measured at 50 KiB.
  public static let heapByteCount = 96 * 1024
  /// What a process has resident at its start beside files: 60 to 80 KiB, by chance and by its arguments, of its stack and data. All
  /// reserve the same, so that what is planned by one of them holds for any other.
  private static let startByteCount = 84 * 1024
  /// A program of at most so many bytes is made resident at once: its pages come in the course of time anyway, and what has
  /// come needs no guess.
  private static let populatedByteCountMax = 4 << 20

  /// `duty`: what this process runs of the program.
  public init(budget: MemoryBudget, for duty: Process.Duty) throws(MemoryError) {
    // Every page of the program and its libraries that may be touched counts, touched or not. A file's size says little: symbols
    // are never mapped.
    let unused = Process.unusedCode(duty)
    let files = (Process.mappedFiles ?? []).flatMap { file in
      [
        file.lowerBound..<max(min(file.upperBound, unused.lowerBound), file.lowerBound),
        min(max(file.lowerBound, unused.upperBound), file.upperBound)..<file.upperBound,
      ]
    }
    let fileByteCount = files.reduce(0) { $0 + $1.count }
    // What of it the command line has been read with goes before the rest comes.
    Process.letGo(unused)
    if fileByteCount <= ProgramReservation.populatedByteCountMax { for range in files { Process.populate(range) } }
    let peak = Process.peakResidentByteCount
    let anonymous = Process.memoryByteCount("RssAnon") ?? peak
    let resident = max(peak, max(anonymous, ProgramReservation.startByteCount) + fileByteCount)
    // Together first, so that a refusal names what both take.
    try budget.check(resident + ProgramReservation.heapByteCount)
    self.files = try budget.reserve(fileByteCount, for: .program, kind: .mapped)
    memory = try budget.reserve(resident - fileByteCount + ProgramReservation.heapByteCount, for: .program)
  }
}
