/// Reproducible random numbers. G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
struct SplitMix {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  mutating func integer(in range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next() % UInt64(range.upperBound - range.lowerBound + 1))
  }
  mutating func int32(in range: ClosedRange<Int>) -> Int32 { Int32(integer(in: range)) }
  mutating func bool() -> Bool { next() & 1 == 1 }

  /// One of `values`.
  mutating func pick<Value>(_ values: [Value]) -> Value { values[integer(in: 0...values.count - 1)] }

  /// Bytes of one character: all lowest, all highest, only extremes, or anything. `extremes` are their bit patterns.
  mutating func fill(_ bytes: GuardedBytes, extremes: (UInt8, UInt8)) {
    let character = integer(in: 0...7)
    for index in 0..<bytes.count {
      switch character {
      case 0: bytes.base[index] = extremes.0
      case 1: bytes.base[index] = extremes.1
      case 2: bytes.base[index] = bool() ? extremes.0 : extremes.1
      default: bytes.base[index] = UInt8(truncatingIfNeeded: next())
      }
    }
  }
}
