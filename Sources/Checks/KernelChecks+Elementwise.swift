import CKernels

extension KernelPair {
  func lookupProblem() -> String? {
    forSeeds(300) { random in
      let count = random.integer(in: 1...200)
      let (input, byteTable) = (GuardedBytes(count: count), GuardedBytes(count: 256))
      random.fill(input, extremes: (0, 255))
      for index in 0..<256 { byteTable.base[index] = UInt8(truncatingIfNeeded: random.next()) }

      func output(of table: UnsafePointer<thimble_kernels>) -> GuardedBytes {
        let out = GuardedBytes(count: count)
        out.fillCanaries()
        table.pointee.lookup(input.base, byteTable.base, out.base, count)
        return out
      }
      guard let place = output(of: table).firstDifference(from: output(of: reference)) else { return nil }
      return "\(count) elements: element \(place) differs"
    }
  }

  func quantizeProblem() -> String? {
    forSeeds(600) { random in
      let count = random.integer(in: 1...70)
      let scale: Float = random.pick([1, 0.5, 1.0 / 127, Float(random.integer(in: 1...1_000_000)) / 999_983])
      let zeroPoint = Int32(random.pick([0, 128, 255, random.integer(in: 0...255)]))
      let input = (0..<count).map { _ -> Float in
        switch random.integer(in: 0...7) {
        case 0: return random.pick([Float.nan, .infinity, -.infinity, .greatestFiniteMagnitude, 0, -0.0, 1e-38])
        case 1: return Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
        case 2...4: return (Float(random.integer(in: -520...520)) + 0.5) * scale
        default: return Float(random.integer(in: -400_000...400_000)) / 1000 * scale
        }
      }
      func output(of table: UnsafePointer<thimble_kernels>) -> GuardedBytes {
        let out = GuardedBytes(count: count)
        out.fillCanaries()
        input.withUnsafeBufferPointer { table.pointee.quantize($0.baseAddress!, scale, zeroPoint, out.base, count) }
        return out
      }
      guard let place = output(of: table).firstDifference(from: output(of: reference)) else { return nil }
      return "\(count) elements: element \(place) differs"
    }
  }

  func dequantizeProblem() -> String? {
    forSeeds(300) { random in
      let count = random.integer(in: 1...70)
      let scale = Float(random.integer(in: 1...1_000_000)) / 999_983
      let zeroPoint = random.int32(in: 0...255)
      let input = GuardedBytes(count: count)
      random.fill(input, extremes: (0, 255))

      func output(of table: UnsafePointer<thimble_kernels>) -> [UInt32] {
        var out = [Float](repeating: 7, count: count + 1)
        out.withUnsafeMutableBufferPointer {
          table.pointee.dequantize(input.base, scale, zeroPoint, $0.baseAddress!, count)
        }
        return out.map { $0.bitPattern }
      }
      return output(of: table) == output(of: reference) ? nil : "\(count) elements differ"
    }
  }

  func resizeProblem() -> String? {
    forSeeds(300) { random in
      let (height, width, channels) = (random.integer(in: 1...9), random.integer(in: 1...9), random.integer(in: 1...20))
      let (outHeight, outWidth) = (random.integer(in: 1...12), random.integer(in: 1...12))
      let input = GuardedBytes(count: height * width * channels)
      random.fill(input, extremes: (0, 255))
      let kind = random.pick([THIMBLE_NEAREST, THIMBLE_BILINEAR_FLOAT, THIMBLE_BILINEAR_INTEGER])
      let form = random.integer(in: 0...2)
      let begin = random.integer(in: 0...outHeight - 1)

      func output(of table: UnsafePointer<thimble_kernels>) -> GuardedBytes {
        let out = GuardedBytes(count: outHeight * outWidth * channels)
        out.fillCanaries()
        var args = thimble_resize_args(
          kind: kind, input: input.base, input_height: height, input_width: width, output_height: outHeight,
          output_width: outWidth, channel_count: channels, align_corners: form == 1, half_pixel_centers: form == 2,
          row_begin: begin, row_end: outHeight, out: out.base)
        table.pointee.resize(&args)
        return out
      }
      guard let place = output(of: table).firstDifference(from: output(of: reference)) else { return nil }
      return "\(height)×\(width)×\(channels) to \(outHeight)×\(outWidth): byte \(place) differs"
    }
  }
}
