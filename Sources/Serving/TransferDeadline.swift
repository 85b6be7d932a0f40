import System

/// When a body or an answer that is under way is given up: some time after its last piece, and, so that nobody holds memory
/// by a byte now and then, some time after its start and a second more for each MiB that has passed.
struct TransferDeadline {
  private let startNanoseconds: Int64
  private let patienceNanoseconds: Int64
  private var byteCount = 0

  init(patienceMilliseconds: Int, now: Int64 = Clock.nowNanoseconds) {
    startNanoseconds = now
    patienceNanoseconds = Int64(patienceMilliseconds) * 1_000_000
  }

  /// After a piece of so many bytes: when to give up unless another comes.
  mutating func next(after count: Int, now: Int64 = Clock.nowNanoseconds) -> Int64 {
    byteCount += count
    let earned = (Int64(byteCount) * ServingLimits.transferNanosecondsPerMiB) >> 20
    return min(now, startNanoseconds + earned) + patienceNanoseconds
  }
}
