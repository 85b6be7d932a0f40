import ModelFile

/// How TFLite's reference rounds fully connected layers: byte = clamp(round(acc · scale) + zero point), product and
/// rounding (half away from zero) in double precision.
///
/// The byte rises with the accumulator, so an integer form is the same function if and only if it steps at the same
/// accumulators. A 31-bit multiplier next to the scale does nearly always; where it does not, a neighbour does.
struct FloatRounding {
  let scale: Double
  let zeroPoint: Int64
  let low: Int64
  let high: Int64

  /// How far from the nearest multiplier to search, in units of its last bit.
  private static let searchDistance: Int64 = 1024

  func byte(_ accumulator: Int64) -> Int64 {
    let rounded = (Double(accumulator) * scale).rounded(.toNearestOrAwayFromZero)
    return max(low, min(high, Int64(max(-0x1p40, min(0x1p40, rounded))) + zeroPoint))
  }

  /// The factor whose one rounding in integers (`Convolution.roundsOnce`) gives the same bytes for all `accumulators`;
  /// the nearest factor where none in reach does. nil where the scale is out of range.
  func integerFactor(accumulators: ClosedRange<Int64>) -> FixedPointFactor? {
    guard let nearest = quantizeMultiplier(scale) else { return nil }
    if nearest.multiplier == 0 { return nearest }
    let range = accumulators.clamped(to: Int64(Int32.min)...Int64(Int32.max))
    let steps = steps(in: range)
    for distance in 0...Self.searchDistance {
      for multiplier in distance == 0 ? [0] : [distance, -distance] {
        let candidate = Int64(nearest.multiplier) + multiplier
        guard candidate >= 1 << 30, candidate < 1 << 31 else { continue }
        let factor = FixedPointFactor(multiplier: Int32(candidate), shift: nearest.shift)
        if steps.allSatisfy({ agrees(factor, step: $0) }) { return factor }
      }
    }
    return nearest
  }

  /// An accumulator at which the byte reaches `byte`, with its neighbour below; nil outside the range.
  private struct Step {
    var byte: Int64
    var below: Int64?
    var at: Int64?
  }

  /// Every step of the bytes that lies in or next to the range.
  private func steps(in range: ClosedRange<Int64>) -> [Step] {
    guard low < high else { return [] }
    var steps: [Step] = []
    for value in low + 1...high {
      let estimate = (Double(value - zeroPoint) - 0.5) / scale
      var accumulator = Int64(max(-0x1p40, min(0x1p40, estimate.rounded(.up))))
      while byte(accumulator - 1) >= value, accumulator > range.lowerBound { accumulator -= 1 }
      while byte(accumulator) < value, accumulator <= range.upperBound { accumulator += 1 }
      steps.append(
        Step(
          byte: value, below: accumulator > range.lowerBound ? min(accumulator - 1, range.upperBound) : nil,
          at: accumulator <= range.upperBound ? max(accumulator, range.lowerBound) : nil))
    }
    return steps
  }

  private func agrees(_ factor: FixedPointFactor, step: Step) -> Bool {
    func value(_ accumulator: Int64) -> Int64 {
      let bits = 31 + Int64(factor.shift)
      let half: Int64 = bits > 0 ? 1 << (bits - 1) : 0
      return ((accumulator * Int64(factor.multiplier) + half) >> bits) + zeroPoint
    }
    if let below = step.below, value(below) >= step.byte { return false }
    if let at = step.at, value(at) < step.byte { return false }
    return true
  }
}
