import CKernels

extension KernelPair {
  func poolProblem() -> String? {
    forSeeds(600) { random in
      let (rows, columns) = (random.integer(in: 1...8), random.integer(in: 1...8))
      let channels = random.integer(in: 1...70)
      let input = GuardedBytes(count: rows * (columns + 1) * channels)
      random.fill(input, extremes: (0, 255))
      let (low, high) = random.bool() ? (0, 255) : (random.integer(in: 0...128), random.integer(in: 128...255))
      let (isAverage, roundsSigned) = (random.integer(in: 0...2) > 0, random.bool())

      func output(of table: UnsafePointer<thimble_kernels>) -> GuardedBytes {
        let out = GuardedBytes(count: channels)
        out.fillCanaries()
        var args = thimble_pool_args(
          first_tap: input.base, rows: rows, columns: columns, row_stride: (columns + 1) * channels,
          column_stride: channels, channel_count: channels, is_average: isAverage, rounds_signed: roundsSigned,
          clamp_min: UInt8(low), clamp_max: UInt8(high), out: out.base)
        table.pointee.pool(&args)
        return out
      }
      guard let place = output(of: table).firstDifference(from: output(of: reference)) else { return nil }
      return "\(rows)×\(columns), \(channels) channels, average \(isAverage): channel \(place) differs"
    }
  }

  func meanProblem() -> String? {
    forSeeds(600) { random in
      let rank = random.integer(in: 0...3)
      let extents = (0..<rank).map { _ in random.integer(in: 1...6) }
      let kept = random.integer(in: 1...70)
      let keptStride = random.pick([1, 1, random.integer(in: 1...5)])
      var strides: [Int] = []
      var size = kept * keptStride
      for extent in extents.reversed() {
        strides.insert(size, at: 0)
        size *= extent
      }
      let input = GuardedBytes(count: size)
      random.fill(input, extremes: (0, 255))
      let zeroPoints = [0, 128, 255, random.integer(in: 0...255)]
      var args = thimble_mean_args(
        input: input.base, kept_count: kept, kept_stride: keptStride, reduced_rank: rank,
        reduced_extents: (0, 0, 0, 0, 0, 0, 0, 0), reduced_strides: (0, 0, 0, 0, 0, 0, 0, 0),
        input_zero_point: Int32(random.pick(zeroPoints)), output_zero_point: Int32(random.pick(zeroPoints)),
        multiplier: random.int32(in: 1 << 30...Int(Int32.max)), shift: random.int32(in: -2...12), out: input.base)
      withUnsafeMutableBytes(of: &args.reduced_extents) { bytes in
        for axis in 0..<rank { bytes.storeBytes(of: extents[axis], toByteOffset: axis * 8, as: Int.self) }
      }
      withUnsafeMutableBytes(of: &args.reduced_strides) { bytes in
        for axis in 0..<rank { bytes.storeBytes(of: strides[axis], toByteOffset: axis * 8, as: Int.self) }
      }

      func output(of table: UnsafePointer<thimble_kernels>) -> GuardedBytes {
        let out = GuardedBytes(count: kept)
        out.fillCanaries()
        args.out = out.base
        table.pointee.mean(&args)
        return out
      }
      guard let place = output(of: table).firstDifference(from: output(of: reference)) else { return nil }
      return "rank \(rank), \(kept) outputs \(keptStride) apart: output \(place) differs"
    }
  }

  func softmaxProblem() -> String? {
    forSeeds(200) { random in
      let depth = random.pick([random.integer(in: 1...40), random.integer(in: 1...1100)])
      let input = GuardedBytes(count: depth)
      random.fill(input, extremes: (0, 255))
      // Falls by a random factor from 1.0; the reference's end of the table is −1.
      let step = random.integer(in: 200...255)
      var exponentials: [Int32] = []
      var value = Int(Int32.max)
      for _ in 0..<256 {
        exponentials.append(value > 1000 ? Int32(value) : -1)
        value = value * step / 256
      }
      func output(of table: UnsafePointer<thimble_kernels>) -> GuardedBytes {
        let out = GuardedBytes(count: depth)
        out.fillCanaries()
        exponentials.withUnsafeBufferPointer { exponentials in
          var args = thimble_softmax_args(
            input: input.base, depth: depth, exponentials: exponentials.baseAddress!, out: out.base)
          table.pointee.softmax(&args)
        }
        return out
      }
      guard let place = output(of: table).firstDifference(from: output(of: reference)) else { return nil }
      return "depth \(depth): element \(place) differs"
    }
  }

  func argExtremeProblem() -> String? {
    forSeeds(300) { random in
      let (outer, inner) = (random.integer(in: 1...5), random.pick([1, 1, random.integer(in: 1...40)]))
      let extent = random.pick([random.integer(in: 1...40), random.integer(in: 1...200)])
      let input = GuardedBytes(count: outer * extent * inner)
      random.fill(input, extremes: (0, 255))
      let (takesMinimum, indexBytes) = (random.bool(), random.pick([4, 8]))

      func output(of table: UnsafePointer<thimble_kernels>) -> GuardedBytes {
        let out = GuardedBytes(count: outer * inner * indexBytes)
        out.fillCanaries()
        var args = thimble_arg_extreme_args(
          input: input.base, outer: outer, extent: extent, inner: inner, takes_minimum: takesMinimum,
          index_byte_count: indexBytes, out: out.base)
        table.pointee.arg_extreme(&args)
        return out
      }
      guard let place = output(of: table).firstDifference(from: output(of: reference)) else { return nil }
      return "\(outer) by \(extent) by \(inner): index \(place / indexBytes) differs"
    }
  }
}
