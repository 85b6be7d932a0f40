import CKernels

extension KernelPair {
  func depthwiseProblem() -> String? {
    forSeeds(1500) { random in
      let pixels = random.integer(in: 1...17)
      let channels = random.integer(in: 1...70)
      let side = random.pick([3, 3, 3, random.integer(in: 1...5)])
      let taps = random.integer(in: 0...4) == 0 ? random.integer(in: 1...26) : side * side
      let step = random.integer(in: 1...2)
      let panels = (channels + 15) / 16
      let panelBytes = (taps + 3) / 4 * 64
      let outStride = channels + random.pick([0, random.integer(in: 0...20)])
      let weightZeroPoint = random.pick([0, 0, -128, 127, random.integer(in: -128...127)])

      // A picture of `side` rows, and a row that stands for one outside of it.
      let width = (pixels + 1) * step + side
      let input = GuardedBytes(count: (max(side, 6) + 1) * width * channels)
      random.fill(input, extremes: (0, 255))
      let outsideRow = random.pick([-1, -1, random.integer(in: 0...side - 1)])
      let scattered = random.integer(in: 0...5) == 0 || taps != side * side
      let pointers: [UnsafePointer<UInt8>] = (0..<taps).map { tap in
        if scattered { return UnsafePointer(input.base + random.integer(in: 0...5) * width * channels) }
        if tap / side == outsideRow { return UnsafePointer(input.base + side * width * channels) }
        return UnsafePointer(input.base + (tap / side * width + tap % side) * channels)
      }
      let weights = GuardedBytes(count: panels * panelBytes)
      random.fill(weights, extremes: (0x80, 0x7F))
      for place in 0..<weights.count where place % panelBytes / 64 * 4 + place % 4 >= taps {
        weights.base[place] = 0
      }
      let numbers = ChannelNumbers(&random, channels: channels, accumulatorMax: taps * 255 * 256)
      let sums = Self.weightSums(weights, channels: channels, panelBytes: panelBytes)

      func output(of table: UnsafePointer<thimble_kernels>) -> GuardedBytes {
        let out = GuardedBytes(count: pixels * outStride)
        out.fillCanaries()
        let blocks = numbers.blocks(signedBy: sums, table)
        pointers.withUnsafeBufferPointer { pointers in
          blocks.withUnsafeBufferPointer { blocks in
            var args = thimble_depthwise_args(
              taps: pointers.baseAddress!, tap_count: taps, pixel_stride: step * channels, pixels: pixels,
              weights: weights.signed, weight_zero_point: Int32(weightZeroPoint), channels: blocks.baseAddress!,
              requantization: numbers.requantization, out: out.base, out_stride: outStride, channel_count: channels)
            table.pointee.depthwise(&args)
          }
        }
        return out
      }
      guard let place = output(of: table).firstDifference(from: output(of: reference)) else { return nil }
      return "\(pixels) pixels, \(channels) channels, \(taps) taps, step \(step), weight zero point "
        + "\(weightZeroPoint), scattered \(scattered), bounded \(numbers.requantization.is_bounded): output "
        + "pixel \(place / outStride), byte \(place % outStride) differs"
    }
  }

  func depthwiseRowsProblem() -> String? {
    forSeeds(1200) { random in
      let channels = random.pick([16, 32, 64, random.integer(in: 1...150)])
      let (height, width) = (random.integer(in: 1...6), random.integer(in: 1...12))
      let (kernelHeight, kernelWidth) =
        random.integer(in: 0...3) > 0 ? (3, 3) : (random.integer(in: 1...5), random.integer(in: 1...5))
      let (stride, dilation) = (random.pick([1, 1, 2, 3]), random.pick([1, 1, 1, 2, 3]))
      let padding = random.integer(in: 0...(kernelWidth - 1) * dilation)
      let outputWidth = random.integer(in: 1...width)
      let rowCount = random.integer(in: 1...4)
      let taps = kernelHeight * kernelWidth
      let panels = (channels + 15) / 16
      let panelBytes = (taps + 3) / 4 * 64
      let weightZeroPoint = random.pick([0, 0, -128, 127, random.integer(in: -128...127)])

      let input = GuardedBytes(count: height * width * channels)
      random.fill(input, extremes: (0, 255))
      let reach = (outputWidth - 1) * stride + (kernelWidth - 1) * dilation + 1
      let zeros = GuardedBytes(count: max(reach, width) * channels)
      for place in 0..<zeros.count { zeros.base[place] = 17 }
      let rows: [UnsafePointer<UInt8>] = (0..<rowCount * kernelHeight).map { _ in
        let row = random.integer(in: -1...height - 1)
        return UnsafePointer(row < 0 ? zeros.base : input.base + row * width * channels)
      }
      let weights = GuardedBytes(count: panels * panelBytes)
      random.fill(weights, extremes: (0x80, 0x7F))
      for place in 0..<weights.count where place % panelBytes / 64 * 4 + place % 4 >= taps {
        weights.base[place] = 0
      }
      let numbers = ChannelNumbers(&random, channels: channels, accumulatorMax: taps * 255 * 256)
      let sums = Self.weightSums(weights, channels: channels, panelBytes: panelBytes)
      var scratch = [UnsafePointer<UInt8>?](repeating: nil, count: taps)

      func output(of table: UnsafePointer<thimble_kernels>) -> GuardedBytes {
        let out = GuardedBytes(count: rowCount * outputWidth * channels)
        out.fillCanaries()
        let blocks = numbers.blocks(signedBy: sums, table)
        let targets = (0..<rowCount).map { out.base + $0 * outputWidth * channels }
        rows.withUnsafeBufferPointer { rows in
          targets.withUnsafeBufferPointer { targets in
            blocks.withUnsafeBufferPointer { blocks in
              scratch.withUnsafeMutableBufferPointer { scratch in
                var args = thimble_depthwise_rows_args(
                  rows: rows.baseAddress!, out: targets.baseAddress!, row_count: rowCount, kernel_height: kernelHeight,
                  kernel_width: kernelWidth, input_width: width, output_width: outputWidth, stride: stride,
                  dilation: dilation, padding: padding, pixel_stride: channels, outside: UnsafePointer(zeros.base),
                  outside_row: UnsafePointer(zeros.base), weights: weights.signed,
                  weight_zero_point: Int32(weightZeroPoint), channels: blocks.baseAddress!,
                  requantization: numbers.requantization, channel_count: channels, taps: scratch.baseAddress!)
                thimble_depthwise_rows(table, &args)
              }
            }
          }
        }
        return out
      }
      guard let place = output(of: table).firstDifference(from: output(of: reference)) else { return nil }
      return "\(rowCount) rows of \(outputWidth) from \(width) pixels, \(channels) channels, window \(kernelHeight)x"
        + "\(kernelWidth), stride \(stride), dilation \(dilation), padding \(padding), weight zero point "
        + "\(weightZeroPoint), bounded \(numbers.requantization.is_bounded): byte \(place) differs"
    }
  }
}
