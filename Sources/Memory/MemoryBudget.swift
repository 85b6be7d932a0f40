import Synchronization
import System

/// The one door to working memory: every byte the process means to use is reserved here first.
///
/// The limit is a promise about the process's peak resident set (VmHWM), everything counted; the program itself is the
/// first reservation. What does not fit is refused before it is tried. Memory of devices counts too, though no resident set
/// shows it: the limit is over everything.
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
    /// Results that are kept for requests alike.
    case responses
    /// Memory that clients share with the process.
    case regions
    /// What models carry on from one request of a sequence to the next.
    case sequences

    public var name: String {
      switch self {
      case .program: "program"
      case .metadata: "metadata"
      case .weights: "weights"
      case .activations: "activations"
      case .decoder: "decoder"
      case .stacks: "stacks"
      case .buffers: "buffers"
      case .responses: "responses"
      case .regions: "regions"
      case .sequences: "sequences"
      }
    }
  }

  /// Where reserved bytes are.
  public enum Kind: Int, Sendable, CaseIterable {
    /// The process's private memory: heap, stacks, arenas.
    case host
    /// Pages of mapped files, resident while they are used.
    case mapped
    /// Memory that a device has to itself: the one kind that is not in the resident set.
    case device
    /// Memory that a device takes of the machine's: one reservation counts it, for both.
    case shared

    public var name: String {
      switch self {
      case .host: "host"
      case .mapped: "mapped"
      case .device: "device"
      case .shared: "shared"
      }
    }
  }

  public let limitByteCount: Int
  private let lock = Lock()
  /// Bytes by purpose and kind; guarded by `lock`.
  private nonisolated(unsafe) var ledger: [Int]
  private nonisolated(unsafe) var reserved = 0
  private nonisolated(unsafe) var peak = 0

  #if DEBUG
    /// For tests: whether a reservation that would fit is refused all the same. Asked under the lock.
    public nonisolated(unsafe) var refuses: (@Sendable () -> Bool)?
  #endif

  private func hasRoom(_ byteCount: Int) -> Bool {
    #if DEBUG
      if let refuses, refuses() { return false }
    #endif
    return byteCount <= limitByteCount - reserved
  }

  public init(limitByteCount: Int) {
    self.limitByteCount = limitByteCount
    ledger = [Int](repeating: 0, count: Purpose.allCases.count * Kind.allCases.count)
  }

  public var reservedByteCount: Int { lock.withLock { reserved } }
  public var peakReservedByteCount: Int { lock.withLock { peak } }
  public var availableByteCount: Int { lock.withLock { max(0, limitByteCount - reserved) } }
  public func reservedByteCount(for purpose: Purpose, kind: Kind) -> Int {
    lock.withLock { ledger[MemoryBudget.place(purpose, kind)] }
  }
  public func reservedByteCount(for purpose: Purpose) -> Int {
    lock.withLock { Kind.allCases.reduce(0) { $0 + ledger[MemoryBudget.place(purpose, $1)] } }
  }
  public func reservedByteCount(of kind: Kind) -> Int {
    lock.withLock { Purpose.allCases.reduce(0) { $0 + ledger[MemoryBudget.place($1, kind)] } }
  }
  /// Reserved bytes that the process's resident set may show: all but those of devices' own memory.
  public var reservedResidentByteCount: Int {
    lock.withLock { Purpose.allCases.reduce(reserved) { $0 - ledger[MemoryBudget.place($1, .device)] } }
  }

  private static func place(_ purpose: Purpose, _ kind: Kind) -> Int {
    purpose.rawValue * Kind.allCases.count + kind.rawValue
  }

  /// Reserves whole pages for at least `byteCount` bytes until the reservation goes out of scope.
  public func reserve(
    _ byteCount: Int, for purpose: Purpose, kind: Kind = .host
  ) throws(MemoryError) -> Reservation {
    guard byteCount >= 0, byteCount <= Int.max / 2 else {
      throw .doesNotFit(needed: byteCount, available: availableByteCount, leastBudget: Int.max)
    }
    let count = Mapping.roundedToPages(byteCount)
    try take(count, purpose, kind)
    return Reservation(budget: self, byteCount: count, purpose: purpose, kind: kind)
  }

  fileprivate func take(_ count: Int, _ purpose: Purpose, _ kind: Kind) throws(MemoryError) {
    try lock.withLock { () throws(MemoryError) in
      guard hasRoom(count) else {
        throw .doesNotFit(needed: count, available: max(0, limitByteCount - reserved), leastBudget: reserved + count)
      }
      reserved += count
      peak = max(peak, reserved)
      ledger[MemoryBudget.place(purpose, kind)] += count
    }
  }

  /// Adds to two places of the ledger at once; either number may be negative.
  fileprivate func exchange(
    _ first: Int, _ firstPlace: Int, _ second: Int, _ secondPlace: Int
  ) throws(MemoryError) {
    let more = first + second
    try lock.withLock { () throws(MemoryError) in
      guard more <= 0 || hasRoom(more) else {
        throw .doesNotFit(needed: more, available: max(0, limitByteCount - reserved), leastBudget: reserved + more)
      }
      reserved += more
      peak = max(peak, reserved)
      ledger[firstPlace] += first
      ledger[secondPlace] += second
    }
  }

  /// Checks that several needs fit together, without reserving them.
  public func check(_ byteCount: Int) throws(MemoryError) {
    let (available, reserved) = lock.withLock { (max(0, limitByteCount - self.reserved), self.reserved) }
    guard byteCount <= available else {
      throw .doesNotFit(needed: byteCount, available: available, leastBudget: reserved + byteCount)
    }
  }

  fileprivate func release(_ byteCount: Int, _ purpose: Purpose, _ kind: Kind) {
    lock.withLock {
      reserved -= byteCount
      ledger[MemoryBudget.place(purpose, kind)] -= byteCount
    }
  }

  /// Bytes held until this value goes out of scope.
  public struct Reservation: ~Copyable, Sendable {
    private let budget: MemoryBudget
    public private(set) var byteCount: Int
    public let purpose: Purpose
    public let kind: Kind

    fileprivate init(budget: MemoryBudget, byteCount: Int, purpose: Purpose, kind: Kind) {
      self.budget = budget
      self.byteCount = byteCount
      self.purpose = purpose
      self.kind = kind
    }

    deinit { budget.release(byteCount, purpose, kind) }

    /// Changes two reservations of one budget at once: where both together become smaller it cannot fail. Where it is refused
    /// nothing changes.
    static func resize(
      _ first: inout Reservation, to firstByteCount: Int, _ second: inout Reservation, to secondByteCount: Int
    ) throws(MemoryError) {
      let (one, two) = (Mapping.roundedToPages(firstByteCount), Mapping.roundedToPages(secondByteCount))
      try first.budget.exchange(
        one - first.byteCount, MemoryBudget.place(first.purpose, first.kind), two - second.byteCount,
        MemoryBudget.place(second.purpose, second.kind))
      first.byteCount = one
      second.byteCount = two
    }

    /// Holds whole pages for `newByteCount` bytes from now on. Less always succeeds; where more is refused nothing changes.
    public mutating func resize(to newByteCount: Int) throws(MemoryError) {
      guard newByteCount >= 0, newByteCount <= Int.max / 2 else {
        throw .doesNotFit(needed: newByteCount, available: budget.availableByteCount, leastBudget: Int.max)
      }
      let count = Mapping.roundedToPages(newByteCount)
      if count > byteCount { try budget.take(count - byteCount, purpose, kind) }
      if count < byteCount { budget.release(byteCount - count, purpose, kind) }
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
  /// A device refuses memory that the budget allows.
  case refusedByDevice(needed: Int)

  public var message: String {
    switch self {
    case .doesNotFit(let needed, let available, let leastBudget):
      "out of memory budget: \(ByteCount.text(needed)) needed, \(ByteCount.text(available)) left; "
        + "give --memory-budget \(ByteCount.option(leastBudget)) or more, or unload a model"
    case .refusedByKernel(let needed):
      "the kernel refuses \(ByteCount.text(needed)) of memory: lower --memory-budget or stop another program"
    case .refusedByDevice(let needed):
      "the device refuses \(ByteCount.text(needed)) of its memory: stop another program that uses it"
    }
  }
}
