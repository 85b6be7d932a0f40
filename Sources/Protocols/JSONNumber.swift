/// A number as JSON wrote it: an integer where it has neither fraction nor exponent and fits 64 bits.
public enum JSONNumber: Equatable, Sendable {
  case int(Int64)
  case double(Double)

  /// The value where it is integral and fits: `3`, `3.0` and `3e0` are 3.
  public var integer: Int64? {
    switch self {
    case .int(let value): value
    case .double(let value): Int64(integral: value)
    }
  }

  public var double: Double {
    switch self {
    case .int(let value): Double(value)
    case .double(let value): value
    }
  }
}

/// The decimal digits of a JSON number: ± significand · 10^exponent.
struct ScannedNumber {
  /// Where its text stands.
  let text: Range<Int>
  let isNegative: Bool
  /// The first 19 significant digits, which always fit.
  let significand: UInt64
  /// Saturated far beyond what any type holds.
  let exponent: Int
  /// Whether the significand holds every digit.
  let isExact: Bool
  /// Whether there is neither fraction nor exponent.
  let isInteger: Bool

  /// Powers of ten that a double holds exactly.
  private static let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
  ]

  /// The value where the text is an integer of 64 bits.
  @inline(__always)
  var int64: Int64? {
    guard isInteger, isExact, exponent == 0 else { return nil }
    if !isNegative { return Int64(exactly: significand) }
    // −2^63 has no positive counterpart.
    return significand <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- significand) : nil
  }

  /// The nearest double where one multiplication or division of exact doubles gives it (Clinger 1990), else nil.
  var exactDouble: Double? {
    if significand == 0, isExact { return isNegative ? -0.0 : 0.0 }
    guard isExact, significand <= 1 << 53, exponent >= -22, exponent <= 22 else { return nil }
    let magnitude = Double(significand)
    let value =
      exponent < 0
      ? magnitude / ScannedNumber.powersOfTen[-exponent] : magnitude * ScannedNumber.powersOfTen[exponent]
    return isNegative ? -value : value
  }

  /// The nearest float where a double computed within 4 units in its last place decides the rounding, else nil.
  ///
  /// Conversion of the significand, each of at most two powers of ten, and dropped digits err by at most half a unit
  /// each and a hundredth; a double further than 8 units from the middle between two floats then rounds as the exact
  /// value does.
  @inline(__always)
  var nearestFloat: Float? {
    if significand == 0, isExact { return isNegative ? -0.0 : 0.0 }
    var value = Double(significand)
    if exponent < 0 {
      guard exponent >= -44 else { return nil }
      value /= ScannedNumber.powersOfTen[min(-exponent, 22)]
      if exponent < -22 { value /= ScannedNumber.powersOfTen[-exponent - 22] }
    } else {
      guard exponent <= 22 else { return nil }
      value *= ScannedNumber.powersOfTen[exponent]
    }
    // The 29 bits below a float's last.
    let below = Int64(value.bitPattern & 0x1FFF_FFFF) - 0x1000_0000
    guard below.magnitude > 8, value >= 0x1p-126, value < 0x1p127 else { return nil }
    return Float(isNegative ? -value : value)
  }
}

extension Int64 {
  /// The integer that a double is, or nil. Unlike `init(exactly:)` it needs no C library's `trunc`.
  @inline(__always)
  init?(integral value: Double) {
    guard value >= -0x1p63, value < 0x1p63 else { return nil }
    let integer = Int64(value)
    guard Double(integer) == value else { return nil }
    self = integer
  }
}
