import ModelFile

/// TFLite's and gemmlowp's fixed-point arithmetic, as their reference kernels define it.

/// A real factor as 31-bit multiplier and shift (TFLite's QuantizeMultiplier): value ≈ multiplier / 2³¹ · 2^−shift.
/// nil for factors that are negative, not finite or at least 2³¹.
public func quantizeMultiplier(_ value: Double) -> FixedPointFactor? {
  guard value.isFinite, value >= 0 else { return nil }
  if value == 0 { return FixedPointFactor(multiplier: 0, shift: 0) }
  // value = significand · 2^exponent with a significand in [½, 1).
  var exponent = Int(value.exponent) + 1
  var fixed = (value.significand * 0x1p30).rounded(.toNearestOrAwayFromZero)
  if fixed == 0x1p31 {
    fixed = 0x1p30
    exponent += 1
  }
  if exponent < -31 { return FixedPointFactor(multiplier: 0, shift: 0) }
  guard exponent <= 31 else { return nil }
  return FixedPointFactor(multiplier: Int32(fixed), shift: Int32(-exponent))
}

/// a · b / 2³¹ rounded to nearest, ties up (gemmlowp's SaturatingRoundingDoublingHighMul).
public func highMultiply(_ a: Int32, _ b: Int32) -> Int32 {
  if a == .min, b == .min { return .max }
  let product = Int64(a) * Int64(b)
  return Int32((product + (product >= 0 ? 1 << 30 : 1 - (1 << 30))) / (1 << 31))
}

/// value / 2^shift rounded half away from zero (gemmlowp's RoundingDivideByPOT). shift in 0…31.
public func roundingShiftRight(_ value: Int32, _ shift: Int) -> Int32 {
  let mask = Int32(truncatingIfNeeded: (Int64(1) << Int64(shift)) - 1)
  let threshold = (mask >> 1) + (value < 0 ? 1 : 0)
  return (value >> Int32(shift)) + (value & mask > threshold ? 1 : 0)
}

/// value · factor (TFLite's MultiplyByQuantizedMultiplier); a left shift that overflows wraps.
public func requantize(_ value: Int32, _ factor: FixedPointFactor) -> Int32 {
  let left = max(0, -factor.shift)
  return roundingShiftRight(highMultiply(value << left, factor.multiplier), Int(max(0, factor.shift)))
}

/// value · 2^bits with saturation.
public func saturatingShiftLeft(_ value: Int32, _ bits: Int) -> Int32 {
  Int32(clamping: Int64(value) << Int64(bits))
}

/// exp(a) in Q0.31 for a ≤ 0 in Q5.26 (gemmlowp's exp_on_negative_values): a Taylor series around −1/8 for the part
/// in [−1/4, 0), one factor exp(−2ᵏ) for each higher bit.
public func exponentialOfNegative(_ a: Int32) -> Int32 {
  if a == 0 { return .max }
  let quarter: Int32 = 1 << 24
  let low = (a & (quarter - 1)) - quarter
  var result = exponentialNearZero(saturatingShiftLeft(low, 5))
  let remainder = low &- a
  let factors: [Int32] = [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242]
  for (index, factor) in factors.enumerated() where remainder & (1 << Int32(24 + index)) != 0 {
    result = highMultiply(result, factor)
  }
  return result
}

/// exp(a) in Q0.31 for a in [−1/4, 0) in Q0.31.
private func exponentialNearZero(_ a: Int32) -> Int32 {
  let constantTerm: Int32 = 1_895_147_668  // exp(−1/8)
  let oneThird: Int32 = 715_827_883
  let x = a &+ (1 << 28)
  let x2 = highMultiply(x, x)
  let x3 = highMultiply(x2, x)
  let quarterOfX4 = roundingShiftRight(highMultiply(x2, x2), 2)
  let tail = roundingShiftRight(highMultiply(quarterOfX4 &+ x3, oneThird) &+ x2, 1)
  return constantTerm &+ highMultiply(constantTerm, x &+ tail)
}

/// eˣ in double precision with an error of a few units in the last place: range reduction by multiples of ln 2, then
/// a Taylor series. Written here so that tables come out the same with every C library.
public func exponential(_ x: Double) -> Double {
  if x.isNaN { return x }
  if x > 709 { return .infinity }
  if x < -740 { return 0 }
  let k = (x * 1.4426950408889634).rounded()
  let r = (x - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33
  var sum = 1.0
  for n in stride(from: 18.0, through: 1, by: -1) { sum = 1 + sum * r / n }
  let half = Int(k) / 2
  return sum * Double(sign: .plus, exponent: half, significand: 1)
    * Double(sign: .plus, exponent: Int(k) - half, significand: 1)
}

/// tanh x in double precision, as `exponential`.
public func hyperbolicTangent(_ x: Double) -> Double {
  let magnitude = abs(x)
  if magnitude > 20 { return x < 0 ? -1 : 1 }
  if magnitude < 0.02 {
    let x2 = x * x
    return x * (1 - x2 * (1.0 / 3 - x2 * (2.0 / 15 - x2 * (17.0 / 315 - x2 * 62 / 2835))))
  }
  let e = exponential(-2 * magnitude)
  let value = (1 - e) / (1 + e)
  return x < 0 ? -value : value
}
