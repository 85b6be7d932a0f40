import CKernels

/// Zeroed bytes with the slack that kernels may read behind them; the slack is also where stray writes show.
final class GuardedBytes {
  let base: UnsafeMutablePointer<UInt8>
  let count: Int

  init(count: Int) {
    self.count = count
    base = .allocate(capacity: count + Self.slack)
    base.initialize(repeating: 0, count: count + Self.slack)
  }

  deinit { base.deallocate() }

  private static let slack = Int(THIMBLE_SLACK_BYTES)

  var signed: UnsafeMutablePointer<Int8> {
    UnsafeMutableRawPointer(base).assumingMemoryBound(to: Int8.self)
  }

  /// A pattern that an output is unlikely to have, slack included.
  func fillCanaries() {
    for index in 0..<count + Self.slack { base[index] = UInt8(truncatingIfNeeded: 0xA5 &+ index &* 7) }
  }

  /// The first byte that differs, slack included.
  func firstDifference(from other: GuardedBytes) -> Int? {
    for index in 0..<count + Self.slack where base[index] != other.base[index] { return index }
    return nil
  }
}
