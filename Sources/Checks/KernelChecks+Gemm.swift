import CKernels

extension KernelPair {
  func gemmProblem() -> String? {
    forSeeds(1500) { random in
      let pixels = random.integer(in: 1...17)
      // Now and then more than kernels keep of a pixel at once.
      let isDeep = random.integer(in: 0...29) == 0
      let channels = random.integer(in: 1...(isDeep ? 20 : 70))
      let groups = isDeep ? random.integer(in: 200...300) : random.integer(in: 1...9)
      let runs = random.integer(in: 1...(isDeep ? 2 : 4))
      let stride = random.pick([groups * 4, random.integer(in: 1...60)])
      let outStride = channels + random.pick([0, random.integer(in: 0...20)])
      let panels = (channels + 15) / 16
      let panelBytes = runs * groups * 64

      let regionBytes = 32 + pixels * stride + groups * 4
      let input = GuardedBytes(count: runs * regionBytes)
      random.fill(input, extremes: (0, 255))
      let weights = GuardedBytes(count: panels * panelBytes)
      random.fill(weights, extremes: (0x80, 0x7F))
      let numbers = ChannelNumbers(&random, channels: channels, accumulatorMax: runs * groups * 4 * 255 * 128)
      let sums = Self.weightSums(weights, channels: channels, panelBytes: panelBytes)
      let pointers = (0..<runs).map { run in
        UnsafePointer(input.base + run * regionBytes + random.integer(in: 0...31))
      }
      let hasBias = !numbers.requantization.is_bounded && random.bool()
      let bias = (0..<pixels).map { _ in hasBias ? random.int32(in: -1_000_000...1_000_000) : 0 }

      func output(of table: UnsafePointer<thimble_kernels>) -> GuardedBytes {
        let out = GuardedBytes(count: pixels * outStride)
        out.fillCanaries()
        let blocks = numbers.blocks(signedBy: sums, table)
        pointers.withUnsafeBufferPointer { pointers in
          blocks.withUnsafeBufferPointer { blocks in
            bias.withUnsafeBufferPointer { bias in
              var args = thimble_gemm_args(
                runs: pointers.baseAddress!, run_count: runs, groups: groups, pixel_stride: stride, pixels: pixels,
                weights: weights.signed, panels: panels, channels: blocks.baseAddress!,
                pixel_bias: hasBias ? bias.baseAddress! : nil, requantization: numbers.requantization, out: out.base,
                out_stride: outStride, out_channels: channels)
              table.pointee.gemm(&args)
            }
          }
        }
        return out
      }
      guard let place = output(of: table).firstDifference(from: output(of: reference)) else { return nil }
      return "\(pixels) pixels, \(channels) channels, \(runs) runs of \(groups) groups, stride \(stride), bounded "
        + "\(numbers.requantization.is_bounded), once \(numbers.requantization.rounds_once): output pixel "
        + "\(place / outStride), byte \(place % outStride) differs"
    }
  }

  /// Σ of each channel's packed weights.
  static func weightSums(_ weights: GuardedBytes, channels: Int, panelBytes: Int) -> [Int32] {
    (0..<channels).map { channel in
      var sum: Int32 = 0
      for group in 0..<panelBytes / 64 {
        for k in 0..<4 {
          sum += Int32(weights.signed[channel / 16 * panelBytes + group * 64 + channel % 16 * 4 + k])
        }
      }
      return sum
    }
  }

  func pixelBiasProblem() -> String? {
    forSeeds(300) { random in
      let pixels = random.integer(in: 1...9)
      let runs = random.integer(in: 1...4)
      let runBytes = random.pick([random.integer(in: 1...40), random.integer(in: 1...600)])
      let stride = random.integer(in: 1...50)
      let regionBytes = pixels * stride + runBytes
      let input = GuardedBytes(count: runs * regionBytes)
      random.fill(input, extremes: (0, 255))
      let zeroPoint = random.pick([-128, 127, random.integer(in: -128...127)])
      let pointers = (0..<runs).map { UnsafePointer(input.base + $0 * regionBytes) }

      func output(of table: UnsafePointer<thimble_kernels>) -> [Int32] {
        var out = [Int32](repeating: 7, count: pixels + 1)
        pointers.withUnsafeBufferPointer { pointers in
          out.withUnsafeMutableBufferPointer { out in
            var args = thimble_pixel_bias_args(
              runs: pointers.baseAddress!, run_count: runs, run_bytes: runBytes, pixel_stride: stride, pixels: pixels,
              weight_zero_point: Int32(zeroPoint), out: out.baseAddress!)
            table.pointee.pixel_bias(&args)
          }
        }
        return out
      }
      guard output(of: table) != output(of: reference) else { return nil }
      return "\(pixels) pixels, \(runs) runs of \(runBytes) bytes differ"
    }
  }

  /// Accumulators around every tie and every power of two, through a product with one weight of zero.
  func requantizationProblem() -> String? {
    let multipliers: [Int32] = [1 << 30, (1 << 30) + 1, 1_518_500_250, Int32.max - 1, Int32.max]
    var values: [Int32] = []
    for bit in 0..<30 {
      for delta in -3...3 { values += [(1 << Int32(bit)) + Int32(delta), -(1 << Int32(bit)) + Int32(delta)] }
    }
    for k in -70...70 { values += [Int32(k), Int32(k) * 3 + 1] }
    values += [(1 << 30) - 1, 1 - (1 << 30)]
    for multiplier in multipliers {
      for shift in Int32(0)...31 {
        for zeroPoint in [Int32(0), 128] {
          if let problem = requantizationProblem(values, multiplier, shift, zeroPoint) { return problem }
        }
      }
    }
    return nil
  }

  private func requantizationProblem(
    _ values: [Int32], _ multiplier: Int32, _ shift: Int32, _ zeroPoint: Int32
  ) -> String? {
    let channels = values.count
    let panels = (channels + 15) / 16
    var numbers = [Int32](repeating: 0, count: panels * 48)
    for channel in 0..<channels {
      let place = channel / 16 * 48 + channel % 16
      numbers[place] = values[channel]
      numbers[place + 16] = multiplier
      numbers[place + 32] = shift
    }
    let zeros = GuardedBytes(count: panels * 64)
    let pointers = [UnsafePointer(zeros.base)]
    for roundsOnce in [false, true] {
      for bounded in [false, true] where !bounded || (1...thimble_bounded_shift_max(zeroPoint)).contains(shift) {
        let (ours, theirs) = (GuardedBytes(count: channels), GuardedBytes(count: channels))
        withBytes(pointers, numbers) { pointers, numbers in
          for (table, out) in [(table, ours), (reference, theirs)] {
            var args = thimble_gemm_args(
              runs: pointers, run_count: 1, groups: 1, pixel_stride: 4, pixels: 1, weights: zeros.signed,
              panels: panels, channels: numbers, pixel_bias: nil,
              requantization: thimble_requantization(
                zero_point: zeroPoint, clamp_min: 0, clamp_max: 255, is_bounded: bounded, rounds_once: roundsOnce),
              out: out.base, out_stride: channels, out_channels: channels)
            table.pointee.gemm(&args)
          }
        }
        if let place = ours.firstDifference(from: theirs) {
          return "accumulator \(values[min(place, channels - 1)]), multiplier \(multiplier), shift \(shift), zero "
            + "point \(zeroPoint), bounded \(bounded), once \(roundsOnce): \(ours.base[place]), not "
            + "\(theirs.base[place])"
        }
      }
    }
    return nil
  }
}

/// Run pointers and channel numbers as kernels take them.
func withBytes(
  _ pointers: [UnsafePointer<UInt8>], _ numbers: [Int32],
  _ body: (UnsafePointer<UnsafePointer<UInt8>>, UnsafePointer<thimble_channels16>) -> Void
) {
  pointers.withUnsafeBufferPointer { pointers in
    numbers.withUnsafeBytes { numbers in
      body(pointers.baseAddress!, numbers.baseAddress!.assumingMemoryBound(to: thimble_channels16.self))
    }
  }
}
