import CKernels
import Memory
import ModelFile

extension Check {
  static var coreChecks: [Check] {
    [
      Check("kernel tables") { tablesProblem() },
      Check("portable requantization") { portableRequantizationProblem() },
      Check("activation planner") { plannerProblem() },
      Check("xxh64") { checksumProblem() },
      Check("byte counts") { byteCountProblem() },
    ]
  }

  private static func tablesProblem() -> String? {
    guard let first = thimble_kernel_table(0), String(cString: first.pointee.name) == "portable" else {
      return "table 0 is not portable"
    }
    return thimble_kernels_are_supported(first) ? nil : "portable is not supported"
  }

  /// The portable kernel against the definition in whole numbers, rounding halves as gemmlowp does.
  private static func portableRequantizationProblem() -> String? {
    /// value / 2^bits, halves to even sign: away from zero, or up.
    func divided(_ value: Int, bits: Int, halvesUp: Bool) -> Int {
      if bits == 0 { return value }
      let half = 1 << (bits - 1)
      return value >= 0 || halvesUp ? (value + half) >> bits : -((-value + half) >> bits)
    }
    var random = SplitMix(seed: 5)
    let zeros = GuardedBytes(count: 64)
    let pointers = [UnsafePointer(zeros.base)]
    for _ in 0..<20_000 {
      let shift = random.int32(in: 0...31)
      let multiplier = random.pick([1 << 30, Int(Int32.max), random.integer(in: 0...Int(Int32.max))])
      let magnitude = random.integer(in: 1...31)
      let value = Int(Int32(truncatingIfNeeded: random.next()) >> Int32(31 - magnitude))
      let high = divided(value * multiplier, bits: 31, halvesUp: true)
      let expected = divided(high, bits: Int(shift), halvesUp: false) + 128
      let out = GuardedBytes(count: 1)
      var numbers = [Int32](repeating: 0, count: 48)
      numbers[0] = Int32(value)
      numbers[16] = Int32(multiplier)
      numbers[32] = shift
      withBytes(pointers, numbers) { pointers, numbers in
        var args = thimble_gemm_args(
          runs: pointers, run_count: 1, groups: 1, pixel_stride: 4, pixels: 1, weights: zeros.signed, panels: 1,
          channels: numbers, pixel_bias: nil,
          requantization: thimble_requantization(
            zero_point: 128, clamp_min: 0, clamp_max: 255, is_bounded: false, rounds_once: false),
          out: out.base, out_stride: 1, out_channels: 1)
        thimble_kernel_table(0)!.pointee.gemm(&args)
      }
      // The reference's sum wraps where it overflows 32 bits.
      let clamped = UInt8(min(max(Int(Int32(truncatingIfNeeded: expected)), 0), 255))
      if out.base[0] != clamped {
        return "accumulator \(value), multiplier \(multiplier), shift \(shift) gives \(out.base[0]), not \(clamped)"
      }
    }
    return nil
  }

  /// Buffers alive at the same time do not overlap, lie in the arena and are aligned.
  private static func plannerProblem() -> String? {
    for seed in 0..<200 {
      var random = SplitMix(seed: UInt64(seed))
      let steps = random.integer(in: 1...30)
      let buffers = (0..<random.integer(in: 0...40)).map { _ in
        let first = random.integer(in: 0...steps)
        return ActivationPlanner.Buffer(
          byteCount: random.pick([0, 1, 64, random.integer(in: 0...100_000)]), firstStep: first,
          lastStep: random.integer(in: first...steps))
      }
      let (offsets, byteCount) = ActivationPlanner.place(buffers)
      for (i, buffer) in buffers.enumerated() {
        if offsets[i] < 0 || offsets[i] + buffer.byteCount > byteCount { return "seed \(seed): buffer \(i) is outside" }
        if offsets[i] % ActivationPlanner.alignment != 0 { return "seed \(seed): buffer \(i) is not aligned" }
        for j in 0..<i where buffer.firstStep <= buffers[j].lastStep && buffers[j].firstStep <= buffer.lastStep {
          let (endI, endJ) = (offsets[i] + buffer.byteCount, offsets[j] + buffers[j].byteCount)
          if buffer.byteCount > 0 && buffers[j].byteCount > 0 && offsets[i] < endJ && offsets[j] < endI {
            return "seed \(seed): buffers \(j) and \(i) overlap"
          }
        }
      }
    }
    return nil
  }

  /// The published test vectors (xxHash's sanity checks: a generated buffer, seed 0).
  private static func checksumProblem() -> String? {
    var bytes: [UInt8] = []
    var generator: UInt64 = 2_654_435_761
    for _ in 0..<222 {
      bytes.append(UInt8(truncatingIfNeeded: generator >> 56))
      generator = generator &* 11_400_714_785_074_694_797
    }
    let vectors: [(Int, UInt64)] = [
      (0, 0xEF46_DB37_51D8_E999), (1, 0xE934_A84A_DB05_2768), (4, 0x9136_A0DC_A574_57EE), (14, 0x8282_DCC4_994E_35C8),
      (33, 0x55C8_DC3E_578F_5B59), (222, 0xB641_AE8C_B691_C174),
    ]
    for (count, expected) in vectors {
      let hash = bytes.withUnsafeBytes { xxh64(UnsafeRawBufferPointer(rebasing: $0[0..<count])) }
      if hash != expected { return "of \(count) bytes is \(hash), not \(expected)" }
    }
    return nil
  }

  private static func byteCountProblem() -> String? {
    let cases: [(String, Int?)] = [
      ("64", 64), ("64M", 64 << 20), ("1k", 1024), ("2GiB", 2 << 30), ("3 M", nil), ("", nil), ("M", nil), ("12X", nil),
      ("9223372036854775807", Int.max), ("9223372036854775808", nil), ("9007199254740992K", nil), ("5MB", 5 << 20),
    ]
    for (text, expected) in cases where ByteCount.parse(text) != expected { return "parses \(text) wrongly" }
    for count in [1, 1023, 1024, 5_000_000, 64 << 20, (64 << 20) + 1] {
      guard let parsed = ByteCount.parse(ByteCount.option(count)), parsed >= count else {
        return "an option for \(count) bytes means less"
      }
    }
    return nil
  }
}
