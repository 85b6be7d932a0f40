import Synchronization

/// A fixed number of 32-bit words that threads share.
public final class AtomicWords: @unchecked Sendable {
  public let count: Int
  private let words: UnsafeMutablePointer<Atomic<UInt32>>

  /// Zeros.
  public init(count: Int) {
    self.count = count
    words = .allocate(capacity: count)
    for index in 0..<count { (words + index).initialize(to: Atomic(0)) }
  }

  deinit {
    words.deinitialize(count: count)
    words.deallocate()
  }

  public func load(_ index: Int) -> UInt32 { words[index].load(ordering: .sequentiallyConsistent) }
  public func store(_ value: UInt32, at index: Int) { words[index].store(value, ordering: .releasing) }

  /// Adds with wrap-around; returns the new value.
  public func add(_ value: UInt32, at index: Int) -> UInt32 {
    words[index].wrappingAdd(value, ordering: .sequentiallyConsistent).newValue
  }

  public func compareExchange(at index: Int, expected: UInt32, desired: UInt32) -> Bool {
    words[index].compareExchange(
      expected: expected, desired: desired, successOrdering: .acquiringAndReleasing, failureOrdering: .acquiring
    ).exchanged
  }
}
