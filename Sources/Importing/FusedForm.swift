import ModelFile

/// The search for a float form of ADD and SUB: out = round-to-even(fma(a, x, fma(b, y, c))), clamped, that equals the
/// fixed point for all 65,536 pairs of bytes.
///
/// The ideal a, b, c usually miss a few ties, so neighbours are tried: a and b up to 3 units in the last place away, c in
/// small steps around its ideal. Pairs that refuted a triple are asked first of the next one, so most fall at once.

/// The first triple that is proved equal; nil where none of those tried is.
func fusedForm(of arithmetic: Arithmetic, firstScale: Double, secondScale: Double) -> Arithmetic.FusedForm? {
  let sign: Double = arithmetic.kind == .subtract ? -1 : 1
  let a0 = Float(firstScale)
  let b0 = Float(sign * secondScale)
  let c0 = Float(
    Double(arithmetic.outputZeroPoint) - firstScale * Double(arithmetic.firstZeroPoint)
      - sign * secondScale * Double(arithmetic.secondZeroPoint))
  guard a0.isNormal, b0.isNormal, c0.isFinite, abs(c0) < 1e6, a0 < 1e4, abs(b0) < 1e4 else { return nil }
  let reference = SumReference(arithmetic)
  let neighbours = neighboursByDistance()
  var refuters: [Int] = []
  for step in 0..<60 {
    let c = c0 + Float((step + 1) / 2) * (step % 2 == 1 ? 4e-6 : -4e-6)
    for neighbour in neighbours {
      let form = Arithmetic.FusedForm(a: a0 + Float(neighbour.0) * a0.ulp, b: b0 + Float(neighbour.1) * b0.ulp, c: c)
      if refuters.contains(where: { !reference.agrees(form, pair: $0) }) { continue }
      guard let refuter = reference.refuter(of: form) else { return form }
      refuters.append(refuter)
    }
  }
  return nil
}

/// Units in the last place to move a and b, nearest first.
private func neighboursByDistance() -> [(Int, Int)] {
  var order: [(Int, Int)] = []
  for distance in 0...3 {
    for da in -3...3 { for db in -3...3 where max(abs(da), abs(db)) == distance { order.append((da, db)) } }
  }
  return order
}

/// What the fixed point gives for every pair of bytes; pair = 256 · x + y.
struct SumReference {
  let bytes: [UInt8]
  let clampMin: Float
  let clampMax: Float

  init(_ arithmetic: Arithmetic) {
    func operand(_ byte: Int, _ zeroPoint: Int32, _ factor: FixedPointFactor) -> Int32 {
      requantize((Int32(byte) - zeroPoint) << 20, factor)
    }
    let first = (0..<256).map { operand($0, arithmetic.firstZeroPoint, arithmetic.firstFactor) }
    let second = (0..<256).map { operand($0, arithmetic.secondZeroPoint, arithmetic.secondFactor) }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    for x in 0..<256 {
      for y in 0..<256 {
        let raw = arithmetic.kind == .subtract ? first[x] &- second[y] : first[x] &+ second[y]
        let value = requantize(raw, arithmetic.outputFactor) &+ arithmetic.outputZeroPoint
        bytes[256 * x + y] = UInt8(max(Int32(arithmetic.clampMin), min(Int32(arithmetic.clampMax), value)))
      }
    }
    self.bytes = bytes
    clampMin = Float(arithmetic.clampMin)
    clampMax = Float(arithmetic.clampMax)
  }

  func agrees(_ form: Arithmetic.FusedForm, pair: Int) -> Bool {
    let inner = form.c.addingProduct(form.b, Float(pair & 255))
    let value = inner.addingProduct(form.a, Float(pair >> 8)).rounded(.toNearestOrEven)
    return max(clampMin, min(clampMax, value)) == Float(bytes[pair])
  }

  /// A pair for which the form is wrong; nil where it is proved equal.
  func refuter(of form: Arithmetic.FusedForm) -> Int? {
    let inner = (0..<256).map { form.c.addingProduct(form.b, Float($0)) }
    for x in 0..<256 {
      for y in 0..<256 {
        let value = inner[y].addingProduct(form.a, Float(x)).rounded(.toNearestOrEven)
        if max(clampMin, min(clampMax, value)) != Float(bytes[256 * x + y]) { return 256 * x + y }
      }
    }
    return nil
  }
}
