import Synchronization
import System

/// The one door to working memory: every byte the process means to use is reserved here first.
///
/// The limit is a promise about the process's peak resident set (VmHWM), everything counted; the program itself is the
/// first reservation. What does not fit is refused before it is tried.
public final class MemoryBudget: Sendable {
  /// What a reservation is for; the ledger that `/metrics` shows.
  public enum Purpose: Int, Sendable, CaseIterable {
    case program
    case metadata
    case weights
    case activations
    case decoder
    case stacks
    case buffers

    public var name: String {
      switch self {
      case .program: "program"
      case .metadata: "metadata"
      case .weights: "weights"
      case .activations: "activations"
      case .decoder: "decoder"
      case .stacks: "stacks"
      case .buffers: "buffers"
      }
    }
  }

  public let limitByteCount: Int
  private let lock = Lock()
  /// Bytes by purpose; guarded by `lock`.
  private nonisolated(unsafe) var ledger: [Int]
  private nonisolated(unsafe) var reserved = 0
  private nonisolated(unsafe) var peak = 0

  public init(limitByteCount: Int) {
    self.limitByteCount = limitByteCount
    ledger = Purpose.allCases.map { _ in 0 }
  }

  public var reservedByteCount: Int { lock.withLock { reserved } }
  public var peakReservedByteCount: Int { lock.withLock { peak } }
  public var availableByteCount: Int { lock.withLock { max(0, limitByteCount - reserved) } }
  public func reservedByteCount(for purpose: Purpose) -> Int { lock.withLock { ledger[purpose.rawValue] } }

  /// Reserves whole pages for at least `byteCount` bytes until the reservation goes out of scope.
  public func reserve(_ byteCount: Int, for purpose: Purpose) throws(MemoryError) -> Reservation {
    guard byteCount >= 0, byteCount <= Int.max / 2 else {
      throw .doesNotFit(needed: byteCount, available: availableByteCount, leastBudget: Int.max)
    }
    let count = Mapping.roundedToPages(byteCount)
    try take(count, purpose)
    return Reservation(budget: self, byteCount: count, purpose: purpose)
  }

  fileprivate func take(_ count: Int, _ purpose: Purpose) throws(MemoryError) {
    try lock.withLock { () throws(MemoryError) in
      guard count <= limitByteCount - reserved else {
        throw .doesNotFit(needed: count, available: max(0, limitByteCount - reserved), leastBudget: reserved + count)
      }
      reserved += count
      peak = max(peak, reserved)
      ledger[purpose.rawValue] += count
    }
  }

  /// Checks that several needs fit together, without reserving them.
  public func check(_ byteCount: Int) throws(MemoryError) {
    let (available, reserved) = lock.withLock { (max(0, limitByteCount - self.reserved), self.reserved) }
    guard byteCount <= available else {
      throw .doesNotFit(needed: byteCount, available: available, leastBudget: reserved + byteCount)
    }
  }

  fileprivate func release(_ byteCount: Int, _ purpose: Purpose) {
    lock.withLock {
      reserved -= byteCount
      ledger[purpose.rawValue] -= byteCount
    }
  }

  /// Bytes held until this value goes out of scope.
  public struct Reservation: ~Copyable, Sendable {
    private let budget: MemoryBudget
    public private(set) var byteCount: Int
    public let purpose: Purpose

    fileprivate init(budget: MemoryBudget, byteCount: Int, purpose: Purpose) {
      self.budget = budget
      self.byteCount = byteCount
      self.purpose = purpose
    }

    deinit { budget.release(byteCount, purpose) }

    /// Holds whole pages for `newByteCount` bytes from now on. Less always succeeds; where more is refused nothing changes.
    public mutating func resize(to newByteCount: Int) throws(MemoryError) {
      let count = Mapping.roundedToPages(newByteCount)
      if count > byteCount { try budget.take(count - byteCount, purpose) }
      if count < byteCount { budget.release(byteCount - count, purpose) }
      byteCount = count
    }
  }
}

/// Memory that could not be had.
public enum MemoryError: Error, Sendable, Equatable {
  /// The budget refuses: bytes needed, bytes left, and the least `--memory-budget` that would do.
  case doesNotFit(needed: Int, available: Int, leastBudget: Int)
  /// The kernel refuses memory that the budget allows.
  case refusedByKernel(needed: Int)

  public var message: String {
    switch self {
    case .doesNotFit(let needed, let available, let leastBudget):
      "out of memory budget: \(ByteCount.text(needed)) needed, \(ByteCount.text(available)) left; "
        + "give --memory-budget \(ByteCount.option(leastBudget)) or more, or unload a model"
    case .refusedByKernel(let needed):
      "the kernel refuses \(ByteCount.text(needed)) of memory: lower --memory-budget or stop another program"
    }
  }
}
