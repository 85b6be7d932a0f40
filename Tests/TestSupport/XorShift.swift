/// Marsaglia's xorshift64: the same numbers on every run.
public struct XorShift: Sendable {
  private var state: UInt64

  public init(_ seed: UInt64) { state = seed == 0 ? 0x9E37_79B9_7F4A_7C15 : seed }

  public mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }

  /// A number in 0..<limit.
  public mutating func below(_ limit: Int) -> Int { Int(next() >> 8) % limit }

  public mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 16) }
  }
}

/// FNV-1a of a name: seeds that do not depend on the process.
public func seed(_ name: String) -> UInt64 {
  name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}
