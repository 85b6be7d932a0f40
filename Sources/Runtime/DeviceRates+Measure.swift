import CKernels
import Memory
import ModelFile
import System

extension DeviceRates {
  /// The rates of this device with these kernels: measured once, in some 50 ms, and kept. Measuring takes 2 MiB; where the
  /// budget has less left the defaults must do.
  public static func of(_ kernels: Kernels, budget: MemoryBudget) -> DeviceRates {
    if let rates = cached(kernels.name) { return rates }
    // What is measured depends on where in the caches the memory comes to lie: it is measured in several places.
    var samples: [DeviceRates] = []
    for _ in 0..<sampleCount {
      guard let rates = try? measured(kernels, budget: budget) else { return DeviceRates() }
      samples.append(rates)
    }
    let rates = DeviceRates(medianOf: samples)
    rates.cache(kernels.name)
    return rates
  }

  private static let sampleCount = 5

  private static func measured(_ kernels: Kernels, budget: MemoryBudget) throws(MemoryError) -> DeviceRates {
    let bench = try RateBench(kernels, budget)
    var rates = DeviceRates()
    (rates.multiplyAddNanoseconds, rates.outputNanoseconds) = bench.convolutionNanoseconds()
    rates.weightNanosecondsPerByte = bench.weightNanoseconds()
    rates.depthwiseMultiplyAddNanoseconds = bench.depthwiseNanoseconds()
    rates.byteNanoseconds = bench.byteNanoseconds()
    if let decode = bench.decodeNanoseconds() { rates.decodeNanosecondsPerByte = decode }
    if let (byte, entry) = bench.readNanoseconds() {
      (rates.readNanosecondsPerByte, rates.entryNanoseconds) = (byte, entry)
    }
    return rates
  }
}

/// Runs small pieces of typical work and takes the best of some rounds: what disturbs only makes them longer.
private struct RateBench: ~Copyable {
  private let kernels: Kernels
  private let memory: Arena

  private static let pixels = 196
  private static let channels = 128
  private static let vectorInputs = 512
  private static let vectorOutputs = 256
  private static let pieceByteCount = 16 << 10
  private static let ringPieceCount = 4
  private static let readCount = 16
  private static let tileByteCount = ModelLimits.tileByteCountTarget

  // Places in the memory.
  private static let input = 0
  private static let output = 128 << 10
  private static let weights = 256 << 10
  private static let tables = 384 << 10
  private static let byteCount = 448 << 10

  init(_ kernels: Kernels, _ budget: MemoryBudget) throws(MemoryError) {
    let memory = try Arena(byteCount: RateBench.byteCount, for: .activations, budget: budget)
    var random = UInt64(88_172_645_463_325_252)
    for index in 0..<(RateBench.tables / 8) {
      random ^= random << 13
      random ^= random >> 7
      random ^= random << 17
      (memory.base + index * 8).storeBytes(of: random, as: UInt64.self)
    }
    let channels = (memory.base + RateBench.tables).assumingMemoryBound(to: thimble_channels16.self)
    for block in 0..<(RateBench.vectorOutputs / 16) {
      channels[block] = thimble_channels16()
      withUnsafeMutableBytes(of: &channels[block]) { bytes in
        for channel in 0..<16 {
          bytes.storeBytes(of: 1 << 30, toByteOffset: 64 + channel * 4, as: Int32.self)
          bytes.storeBytes(of: 9, toByteOffset: 128 + channel * 4, as: Int32.self)
        }
      }
    }
    self.kernels = kernels
    self.memory = memory
  }

  private func bytes(_ offset: Int) -> UnsafeMutablePointer<UInt8> {
    (memory.base + offset).assumingMemoryBound(to: UInt8.self)
  }

  private static func best(_ body: () -> Void) -> Double {
    var best = Int64.max
    for _ in 0..<8 {
      let start = Clock.nowNanoseconds
      body()
      best = min(best, Clock.nowNanoseconds - start)
    }
    return Double(max(1, best))
  }

  private var requantization: thimble_requantization {
    thimble_requantization(zero_point: 128, clamp_min: 0, clamp_max: 255, is_bounded: true, rounds_once: false)
  }

  /// Nanoseconds of a pointwise convolution.
  private func gemmNanoseconds(pixels: Int, inputs: Int, outputs: Int) -> Double {
    var run: UnsafePointer<UInt8> = UnsafePointer(bytes(RateBench.input))
    return RateBench.best {
      withUnsafePointer(to: &run) { runs in
        var args = thimble_gemm_args(
          runs: runs, run_count: 1, groups: inputs / 4, pixel_stride: inputs, pixels: pixels,
          weights: UnsafeRawPointer(memory.base + RateBench.weights).assumingMemoryBound(to: Int8.self),
          panels: outputs / 16,
          channels: UnsafeRawPointer(memory.base + RateBench.tables).assumingMemoryBound(to: thimble_channels16.self),
          pixel_bias: nil, requantization: requantization, out: bytes(RateBench.output), out_stride: outputs,
          out_channels: outputs)
        kernels.table.pointee.gemm(&args)
      }
    }
  }

  /// To multiply and add, and to write a byte: the line through pointwise convolutions of 196 pixels, 16 and 128 → 128 channels.
  func convolutionNanoseconds() -> (multiplyAdd: Double, output: Double) {
    let (few, many) = (16, RateBench.channels)
    let outputCount = Double(RateBench.pixels * RateBench.channels)
    let short = gemmNanoseconds(pixels: RateBench.pixels, inputs: few, outputs: RateBench.channels) / outputCount
    let long = gemmNanoseconds(pixels: RateBench.pixels, inputs: many, outputs: RateBench.channels) / outputCount
    let multiplyAdd = max(1e-4, (long - short) / Double(many - few))
    return (multiplyAdd, max(1e-3, short - Double(few) * multiplyAdd))
  }

  /// A matrix of 128 KiB times one vector.
  func weightNanoseconds() -> Double {
    let (inputs, outputs) = (RateBench.vectorInputs, RateBench.vectorOutputs)
    return gemmNanoseconds(pixels: 1, inputs: inputs, outputs: outputs) / Double(inputs * outputs)
  }

  /// A 3 × 3 depthwise convolution over a picture of 28 × 7 pixels, 128 channels, without padding.
  func depthwiseNanoseconds() -> Double {
    let (width, height, channels) = (28, 7, RateBench.channels)
    let nanoseconds = withUnsafeTemporaryAllocation(of: UnsafePointer<UInt8>.self, capacity: 3 * height) { rows in
      for index in 0..<3 * height {
        let row = (index / 3 + index % 3) % height
        rows.initializeElement(at: index, to: UnsafePointer(bytes(RateBench.input) + row * (width + 2) * channels))
      }
      return withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<UInt8>.self, capacity: height) { out in
        for row in 0..<height {
          out.initializeElement(at: row, to: bytes(RateBench.output) + row * width * channels)
        }
        return withUnsafeTemporaryAllocation(of: UnsafePointer<UInt8>?.self, capacity: 9) { taps in
          var args = thimble_depthwise_rows_args(
            rows: UnsafePointer(rows.baseAddress!), out: UnsafePointer(out.baseAddress!), row_count: height,
            kernel_height: 3, kernel_width: 3, input_width: width + 2, output_width: width, stride: 1, dilation: 1,
            padding: 0, pixel_stride: channels, outside: UnsafePointer(bytes(RateBench.input)),
            outside_row: UnsafePointer(bytes(RateBench.input)) + 1,
            weights: UnsafeRawPointer(memory.base + RateBench.weights).assumingMemoryBound(to: Int8.self),
            weight_zero_point: 0,
            channels: UnsafeRawPointer(memory.base + RateBench.tables).assumingMemoryBound(to: thimble_channels16.self),
            requantization: requantization, channel_count: channels, taps: taps.baseAddress!)
          return RateBench.best { thimble_depthwise_rows(kernels.table, &args) }
        }
      }
    }
    return nanoseconds / Double(9 * width * height * channels)
  }

  /// A table look-up of 64 KiB.
  func byteNanoseconds() -> Double {
    let count = 64 << 10
    let nanoseconds = RateBench.best {
      kernels.table.pointee.lookup(bytes(RateBench.input), bytes(RateBench.weights), bytes(RateBench.output), count)
    }
    return nanoseconds / Double(count)
  }

  /// A tile of bytes of six bits of entropy, as quantized weights are; nil where there is no compressor.
  func decodeNanoseconds() -> Double? {
    let source = bytes(RateBench.input)
    for index in 0..<RateBench.tileByteCount {
      // The sum of two even distributions: the middle is likelier, as with weights.
      source[index] = (source[index] & 31) &+ (source[index] >> 3)
    }
    let tile = UnsafeRawBufferPointer(start: source, count: RateBench.tileByteCount)
    guard let compressor = ZstdCompressor(), let frame = compressor.compress(tile, limit: tile.count),
      let decompressor = ZstdDecompressor()
    else { return nil }
    let output = UnsafeMutableRawBufferPointer(start: memory.base + RateBench.output, count: tile.count)
    let nanoseconds = frame.withUnsafeBytes { frame in
      RateBench.best { _ = decompressor.decompress(frame, into: output) }
    }
    return nanoseconds / Double(frame.count)
  }

  /// To read a byte of a file in memory, and what each call costs besides: the line through two sizes, read one piece after the
  /// other into a small ring as weights are. The file is the program itself, which is in the kernel's cache and lies where
  /// models do: on a disk.
  func readNanoseconds() -> (byte: Double, entry: Double)? {
    guard let file = try? File(reading: "/proc/self/exe"), let size = try? file.status().byteCount,
      size >= RateBench.readCount * RateBench.pieceByteCount
    else { return nil }
    var hasFailed = false
    func read(_ byteCount: Int) -> Double {
      let nanoseconds = RateBench.best {
        for index in 0..<RateBench.readCount {
          let place = memory.base + index % RateBench.ringPieceCount * RateBench.pieceByteCount
          let buffer = UnsafeMutableRawBufferPointer(start: place, count: byteCount)
          if (try? file.read(into: buffer, at: index * RateBench.pieceByteCount)) == nil { hasFailed = true }
        }
      }
      return nanoseconds / Double(RateBench.readCount)
    }
    let (few, many) = (read(RateBench.pieceByteCount / 16), read(RateBench.pieceByteCount))
    let byte = max(1e-3, (many - few) / Double(RateBench.pieceByteCount - RateBench.pieceByteCount / 16))
    return hasFailed ? nil : (byte, max(50, few - byte * Double(RateBench.pieceByteCount / 16)))
  }
}
