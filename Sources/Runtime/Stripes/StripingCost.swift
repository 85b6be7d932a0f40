/// What running a chain stripe by stripe costs beside running its members one after the other.
struct StripingCost {
  let threadCount: Int

  /// Threads wait for each other after every member of every stripe.
  private static let barrierNanoseconds = 1000.0
  /// To begin a member's rows: kernels set up, weights come into the first-level cache again.
  private static let beginNanoseconds = 500.0
  /// A tensor of so many bytes does not stay in the second-level cache from its writer to its reader; its ring does.
  private static let cacheByteCount = 1 << 20
  /// What a byte that leaves the cache costs on the way out and back.
  private static let missNanosecondsPerByte = 0.02

  /// Barriers and beginnings, less what the rings save of traffic with memory.
  func stripingNanoseconds(_ chain: Chain, _ graph: RowGraph) -> Double {
    let begun = Double((chain.stripeCount - 1) * chain.operators.count)
    var nanoseconds = begun * StripingCost.beginNanoseconds
    if threadCount > 1 { nanoseconds += begun * StripingCost.barrierNanoseconds }
    for index in chain.operators.dropLast() {
      let byteCount = graph.byteCounts[graph.outputs[index]]
      if byteCount > StripingCost.cacheByteCount {
        nanoseconds -= Double(byteCount) * StripingCost.missNanosecondsPerByte / Double(threadCount)
      }
    }
    return nanoseconds
  }
}
