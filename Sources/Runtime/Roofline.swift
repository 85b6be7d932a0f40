import CKernels
import Memory
import System

/// The least time that work can take on this device, measured: S. Williams et al., "Roofline: An Insightful Visual Performance
/// Model" (2009). All threads of a pool measure together.
public struct Roofline: Sendable {
  /// The most multiplications with their additions a nanosecond: what the multiplication kernel reaches on the shape that
  /// suits it best, operands in the nearest caches.
  public let multiplyAddsPerNanosecond: Double
  /// Bytes read and written a nanosecond by copying through `bufferByteCount` bytes of memory.
  public let bytesPerNanosecond: Double
  public let bufferByteCount: Int

  /// What limits most, the multiplications or the bytes. Bytes that come from a cache smaller than the buffer may take less.
  public func leastNanoseconds(multiplyAdds: Int, byteCount: Int) -> Double {
    max(Double(multiplyAdds) / multiplyAddsPerNanosecond, Double(byteCount) / bytesPerNanosecond)
  }

  private static let bufferByteCountMax = 4 << 20
  private static let bufferByteCountMin = 256 << 10

  /// Measures for some 30 ms, in at most 4 MiB; nil where the budget has too little left.
  public static func measured(_ kernels: Kernels, pool: ThreadPool, budget: MemoryBudget) -> Roofline? {
    let byteCount = min(bufferByteCountMax, budget.availableByteCount / 2) & ~0xffff
    guard byteCount >= bufferByteCountMin * pool.threadCount,
      let memory = try? Arena(byteCount: byteCount, for: .activations, budget: budget)
    else { return nil }
    let bench = RooflineBench(kernels, memory, threadCount: pool.threadCount)
    var multiplyAdds = 0.0
    for groups in [32, 64, 128, 256] {
      bench.work = .multiply(groups: groups)
      multiplyAdds = max(multiplyAdds, bench.rate(pool))
    }
    bench.work = .copy
    let bytes = bench.rate(pool)
    return Roofline(multiplyAddsPerNanosecond: multiplyAdds, bytesPerNanosecond: bytes, bufferByteCount: byteCount)
  }
}

/// One kind of work that all threads repeat, each in its own share of the memory. The best of some rounds counts: what
/// disturbs only makes them longer.
private final class RooflineBench: Job {
  enum Work {
    /// A pointwise convolution: 24 pixels, 4 · `groups` → 64 channels.
    case multiply(groups: Int)
    /// Half of the memory to the other half.
    case copy
  }

  var work = Work.copy
  private let kernels: Kernels
  private let memory: Arena
  private let byteCount: Int
  private var repeatCount = 1
  private var bestNanoseconds = Int64.max

  private static let pixels = 24
  private static let channels = 64
  private static let roundCount = 12
  // Places in a thread's share, after the pixels.
  private static let output = 48 << 10
  private static let tables = 64 << 10
  private static let weights = 96 << 10
  /// What a round takes about.
  private static let roundNanoseconds: Int64 = 200_000

  init(_ kernels: Kernels, _ memory: consuming Arena, threadCount: Int) {
    byteCount = memory.byteCount / threadCount & ~63
    self.kernels = kernels
    // Pages that were never written are all the same one.
    for offset in stride(from: 0, to: memory.byteCount, by: 64) {
      (memory.base + offset).storeBytes(of: UInt64(truncatingIfNeeded: offset &* 0x9e37_79b9), as: UInt64.self)
    }
    for part in 0..<threadCount {
      let channels = (memory.base + part * byteCount + RooflineBench.tables).assumingMemoryBound(to: Int32.self)
      for panel in 0..<(RooflineBench.channels / 16) {
        for channel in 0..<16 {
          channels[panel * 48 + channel] = 0
          channels[panel * 48 + 16 + channel] = 1 << 30
          channels[panel * 48 + 32 + channel] = 9
        }
      }
    }
    self.memory = memory
  }

  /// Units of work a nanosecond, of all threads together.
  func rate(_ pool: ThreadPool) -> Double {
    (repeatCount, bestNanoseconds) = (1, Int64.max)
    pool.run(self)
    repeatCount = Int(max(1, min(1000, RooflineBench.roundNanoseconds / max(1, bestNanoseconds))))
    bestNanoseconds = Int64.max
    pool.run(self)
    return Double(unitCount * repeatCount * pool.threadCount) / Double(max(1, bestNanoseconds))
  }

  /// Multiplications, or bytes read and written, of one repetition.
  private var unitCount: Int {
    switch work {
    case .multiply(let groups): RooflineBench.pixels * RooflineBench.channels * 4 * groups
    case .copy: byteCount / 2 * 2
    }
  }

  func run(part: Int, of parts: Int, barrier: Barrier) {
    let base = (memory.base + part * byteCount).assumingMemoryBound(to: UInt8.self)
    for _ in 0..<RooflineBench.roundCount {
      barrier.wait()
      let start = Clock.nowNanoseconds
      for _ in 0..<repeatCount {
        switch work {
        case .multiply(let groups): multiply(base, groups: groups)
        case .copy: thimble_copy(base + byteCount / 2, base, byteCount / 2)
        }
      }
      barrier.wait()
      if part == 0 { bestNanoseconds = min(bestNanoseconds, Clock.nowNanoseconds - start) }
    }
  }

  private func multiply(_ base: UnsafeMutablePointer<UInt8>, groups: Int) {
    let weights = base + RooflineBench.weights
    var run = UnsafePointer(base)
    withUnsafePointer(to: &run) { runs in
      var args = thimble_gemm_args(
        runs: runs, run_count: 1, groups: groups, pixel_stride: 4 * groups, pixels: RooflineBench.pixels,
        weights: UnsafeRawPointer(weights).assumingMemoryBound(to: Int8.self), panels: RooflineBench.channels / 16,
        channels: UnsafeRawPointer(base + RooflineBench.tables).assumingMemoryBound(to: thimble_channels16.self),
        pixel_bias: nil,
        requantization: thimble_requantization(
          zero_point: 128, clamp_min: 0, clamp_max: 255, is_bounded: true, rounds_once: false),
        out: base + RooflineBench.output, out_stride: RooflineBench.channels, out_channels: RooflineBench.channels)
      kernels.table.pointee.gemm(&args)
    }
  }
}
