import CSystem
import Synchronization

/// A 32-bit word that threads wait on.
public final class Futex: Sendable {
  private let word: Atomic<UInt32>

  public init(_ value: UInt32 = 0) { word = Atomic(value) }

  public func load() -> UInt32 { word.load(ordering: .sequentiallyConsistent) }
  public func store(_ value: UInt32) { word.store(value, ordering: .sequentiallyConsistent) }
  public func exchange(_ value: UInt32) -> UInt32 { word.exchange(value, ordering: .sequentiallyConsistent) }

  /// Adds with wrap-around; returns the new value.
  @discardableResult
  public func add(_ value: UInt32) -> UInt32 { word.wrappingAdd(value, ordering: .sequentiallyConsistent).newValue }

  public func compareExchange(expected: UInt32, desired: UInt32) -> Bool {
    word.compareExchange(expected: expected, desired: desired, ordering: .sequentiallyConsistent).exchanged
  }

  /// The address is stable: `word` is stored inline in this object.
  private var address: UnsafeRawPointer { withUnsafePointer(to: word) { UnsafeRawPointer($0) } }

  /// Sleeps while the word is `value`, at most the timeout; may return early.
  public func wait(while value: UInt32, timeoutNanoseconds: Int64 = -1) {
    _ = thimble_futex_wait(address, value, timeoutNanoseconds)
  }

  public func wakeOne() { _ = thimble_futex_wake(address, 1) }
  public func wakeAll() { _ = thimble_futex_wake(address, Int32.max) }
}

/// A 64-bit word that threads share.
public final class AtomicWord64: Sendable {
  private let word: Atomic<UInt64>

  public init(_ value: UInt64 = 0) { word = Atomic(value) }

  public func load() -> UInt64 { word.load(ordering: .sequentiallyConsistent) }
  public func store(_ value: UInt64) { word.store(value, ordering: .sequentiallyConsistent) }

  public func compareExchange(expected: UInt64, desired: UInt64) -> Bool {
    word.compareExchange(expected: expected, desired: desired, ordering: .sequentiallyConsistent).exchanged
  }
}

/// Mutual exclusion in both builds (`Synchronization.Mutex` is absent from Embedded).
///
/// U. Drepper, "Futexes Are Tricky" (2011), mutex 2: 0 free, 1 held, 2 held with waiters.
public final class Lock: Sendable {
  private let state = Futex()

  public init() {}

  public func withLock<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    lock()
    defer { unlock() }
    return try body()
  }

  public func lock() {
    if state.compareExchange(expected: 0, desired: 1) { return }
    while state.exchange(2) != 0 { state.wait(while: 2) }
  }

  public func unlock() { if state.exchange(0) == 2 { state.wakeOne() } }
}
