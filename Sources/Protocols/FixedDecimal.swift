/// Numbers with a fixed number of decimals, which Embedded Swift has no formatter for.
enum FixedDecimal {
  /// What C's `printf("%f")` prints: six decimals of the exact value, rounded to nearest with ties to even.
  static func sixDecimals(_ value: Float) -> String {
    let sign = value.sign == .minus ? "-" : ""
    guard value.isFinite else { return value.isNaN ? "nan" : sign + "inf" }
    guard value != 0 else { return sign + "0.000000" }
    let magnitude = value.magnitude
    // magnitude = significand · 2^exponent, significand < 2^24
    let exponent = max(Int(magnitude.exponentBitPattern), 1) - 150
    let isNormal = magnitude.exponentBitPattern > 0
    let significand = UInt64(magnitude.significandBitPattern) | (isNormal ? 1 << 23 : 0)
    if exponent >= 0 { return sign + integer(significand, doublings: exponent) + ".000000" }

    // Below 2^-45 · 2^24 = 2^-21 everything rounds to zero; above, the product has at most 44 bits.
    guard exponent >= -45 else { return sign + "0.000000" }
    let shift = UInt64(-exponent)
    let scaled = significand * 1_000_000
    var rounded = scaled >> shift
    let rest = scaled - rounded << shift
    let half = (1 as UInt64) << (shift - 1)
    if rest > half || rest == half && rounded & 1 == 1 { rounded += 1 }
    let decimals = "\(rounded % 1_000_000)"
    let zeros = String(repeating: "0", count: 6 - decimals.utf8.count)
    return sign + "\(rounded / 1_000_000)." + zeros + decimals
  }

  /// Decimal digits of `value` · 2^`doublings`.
  private static func integer(_ value: UInt64, doublings: Int) -> String {
    // Least significant digit first.
    var digits = "\(value)".utf8.reversed().map { $0 - Byte.zero }
    for _ in 0..<doublings {
      var carry: UInt8 = 0
      for index in 0..<digits.count {
        let doubled = digits[index] * 2 + carry
        digits[index] = doubled % 10
        carry = doubled / 10
      }
      if carry > 0 { digits.append(carry) }
    }
    return String(decoding: digits.reversed().map { $0 + Byte.zero }, as: UTF8.self)
  }
}
