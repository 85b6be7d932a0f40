import CKernels

extension KernelPair {
  /// One row of arithmetic: its operands and what a table makes of them.
  private struct Row {
    let parameters: thimble_arithmetic
    let first: GuardedBytes
    let second: GuardedBytes
    let firstStride: Int
    let secondStride: Int
    let count: Int

    init(_ random: inout SplitMix, _ parameters: thimble_arithmetic) {
      self.parameters = parameters
      count = random.pick([random.integer(in: 1...40), random.integer(in: 1...300)])
      firstStride = random.integer(in: 0...4) == 0 ? 0 : 1
      secondStride = random.integer(in: 0...4) == 0 ? 0 : 1
      first = GuardedBytes(count: count)
      second = GuardedBytes(count: count)
      random.fill(first, extremes: (0, 255))
      random.fill(second, extremes: (0, 255))
    }

    func output(of table: UnsafePointer<thimble_kernels>) -> GuardedBytes {
      let out = GuardedBytes(count: count)
      out.fillCanaries()
      withUnsafePointer(to: parameters) { parameters in
        var args = thimble_arithmetic_args(
          arithmetic: parameters, first: first.base, second: second.base, first_stride: firstStride,
          second_stride: secondStride, out: out.base, count: count)
        table.pointee.arithmetic(&args)
      }
      return out
    }

    /// Of the fused form: round to even of a·x + (b·y + c), each sum rounded once.
    func fusedOutput() -> GuardedBytes {
      let out = GuardedBytes(count: count)
      out.fillCanaries()
      for index in 0..<count {
        let inner = parameters.c.addingProduct(parameters.b, Float(second.base[index * secondStride]))
        let value = inner.addingProduct(parameters.a, Float(first.base[index * firstStride]))
        let rounded = Int(value.rounded(.toNearestOrEven))
        out.base[index] = UInt8(min(max(rounded, Int(parameters.clamp_min)), Int(parameters.clamp_max)))
      }
      return out
    }
  }

  private static func parameters(_ random: inout SplitMix) -> thimble_arithmetic {
    var parameters = thimble_arithmetic()
    parameters.kind = random.pick([THIMBLE_ADD, THIMBLE_SUBTRACT, THIMBLE_MULTIPLY])
    let zeroPoints = [0, 128, 255, random.integer(in: 0...255)]
    parameters.first_zero_point = Int32(random.pick(zeroPoints))
    parameters.second_zero_point = Int32(random.pick(zeroPoints))
    parameters.output_zero_point = Int32(random.pick(zeroPoints))
    func multiplier(_ random: inout SplitMix) -> Int32 {
      Int32(random.pick([1 << 30, Int(Int32.max), random.integer(in: 1 << 30...Int(Int32.max))]))
    }
    parameters.first_multiplier = multiplier(&random)
    parameters.second_multiplier = multiplier(&random)
    parameters.output_multiplier = multiplier(&random)
    parameters.first_shift = random.int32(in: 0...7)
    parameters.second_shift = random.int32(in: 0...7)
    parameters.output_shift =
      parameters.kind == THIMBLE_MULTIPLY ? random.int32(in: -2...14) : random.int32(in: 14...24)
    if random.bool() {
      parameters.clamp_max = 255
    } else {
      let edges = (UInt8(random.integer(in: 0...255)), UInt8(random.integer(in: 0...255)))
      parameters.clamp_min = min(edges.0, edges.1)
      parameters.clamp_max = max(edges.0, edges.1)
    }
    return parameters
  }

  func arithmeticProblem() -> String? {
    forSeeds(1500) { random in
      let row = Row(&random, Self.parameters(&random))
      guard let place = row.output(of: table).firstDifference(from: row.output(of: reference)) else { return nil }
      return "kind \(row.parameters.kind.rawValue), \(row.count) elements: element \(place) differs"
    }
  }

  /// A table may use the fused form, or leave it, for any element; where both agree its bytes are the reference's.
  func fusedArithmeticProblem() -> String? {
    forSeeds(500) { random in
      var parameters = Self.parameters(&random)
      parameters.kind = random.pick([THIMBLE_ADD, THIMBLE_SUBTRACT])
      parameters.is_fused = true
      if random.bool() {
        Self.makeWhole(&parameters)
      } else {
        parameters.a = Float(random.integer(in: 1...4096)) / 1024
        parameters.b = Float(random.integer(in: -4096...4096)) / 1000
        parameters.c = Float(random.integer(in: -400_000...400_000)) / 1003
      }
      let row = Row(&random, parameters)
      let (out, fixed, fused) = (row.output(of: table), row.output(of: reference), row.fusedOutput())
      for place in 0..<row.count where out.base[place] != fixed.base[place] && out.base[place] != fused.base[place] {
        return "\(row.count) elements: element \(place) is neither the fused form's nor the fixed point's"
      }
      for place in 0..<row.count { fused.base[place] = out.base[place] }
      return out.firstDifference(from: fused) == nil ? nil : "\(row.count) elements: it writes past them"
    }
  }

  /// x ± y in whole numbers, where the fused form and the fixed point agree.
  private static func makeWhole(_ parameters: inout thimble_arithmetic) {
    let half: Int32 = 1 << 30
    (parameters.first_multiplier, parameters.second_multiplier, parameters.output_multiplier) = (half, half, half)
    (parameters.first_shift, parameters.second_shift, parameters.output_shift) = (0, 0, 18)
    let sign: Int32 = parameters.kind == THIMBLE_ADD ? 1 : -1
    parameters.a = 1
    parameters.b = Float(sign)
    parameters.c = Float(
      parameters.output_zero_point - parameters.first_zero_point - sign * parameters.second_zero_point)
  }
}
