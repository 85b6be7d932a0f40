import ModelFile
import System

/// What running a chain stripe by stripe costs beside running its members one after the other.
struct StripingCost {
  let threadCount: Int
  /// A tensor of more bytes leaves every cache between its writer and its reader; its ring does not.
  let cacheByteCount: Int

  /// Threads wait for each other after every member of every stripe.
  private static let barrierNanoseconds = 400.0
  /// To begin a member's rows: kernels set up, weights come into the first-level cache again.
  private static let beginNanoseconds = 200.0
  /// What a byte costs on the way to memory and back, whichever thread it is for: 10 GB/s each way, written lines being read
  /// first.
  private static let memoryNanosecondsPerByte = 0.3

  init(threadCount: Int) {
    self.threadCount = threadCount
    cacheByteCount = StripingCost.lastLevelCacheByteCount ?? Int.max
  }

  /// Barriers and beginnings, less what the rings save of traffic with memory.
  func stripingNanoseconds(_ chain: Chain, _ graph: RowGraph) -> Double {
    let begun = Double((chain.stripeCount - 1) * chain.operators.count)
    var nanoseconds = begun * StripingCost.beginNanoseconds
    if threadCount > 1 { nanoseconds += begun * StripingCost.barrierNanoseconds }
    for index in chain.operators.dropLast() {
      let byteCount = graph.byteCounts[graph.outputs[index]]
      if byteCount > cacheByteCount { nanoseconds -= Double(byteCount) * StripingCost.memoryNanosecondsPerByte }
    }
    return nanoseconds
  }

  /// Whether any chain may be faster than its members alone.
  static func maySaveTime(_ graph: Graph) -> Bool {
    let largest = graph.operators.reduce(0) { max($0, graph.tensors[$1.output].byteCount) }
    return largest > leastCacheByteCount && largest > lastLevelCacheByteCount ?? Int.max
  }

  /// No device's largest cache is smaller.
  private static let leastCacheByteCount = 256 << 10

  /// Bytes of the largest cache that the system tells of; nil where it tells nothing, as on many small boards.
  private static var lastLevelCacheByteCount: Int? {
    var largest: Int?
    for index in 0..<5 {
      let path = "/sys/devices/system/cpu/cpu0/cache/index\(index)/size"
      // As in `1024K`.
      guard let text = try? File.bytes(of: path, limit: 32) else { break }
      let digits = text.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      guard let kibibytes = Int(String(decoding: digits, as: UTF8.self)), kibibytes < 1 << 30 else { break }
      largest = max(largest ?? 0, kibibytes << 10)
    }
    return largest
  }
}
