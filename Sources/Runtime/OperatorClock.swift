import System

/// Writes down one thread's times of a recorded run, operator by operator.
struct OperatorClock {
  /// From the start of each operator to the start of the next one; nil for threads but the first.
  private let elapsed: UnsafeMutablePointer<Int64>?
  /// This thread's share of each alone, without waiting for others.
  private let busy: UnsafeMutablePointer<Int64>
  private var current = -1
  private var startNanoseconds: Int64 = 0
  /// The first operator of the next step.
  private var next = 0

  init(elapsed: UnsafeMutablePointer<Int64>?, busy: UnsafeMutablePointer<Int64>) {
    self.elapsed = elapsed
    self.busy = busy
  }

  /// A step of so many operators begins; returns the first.
  mutating func beginStep(operatorCount: Int) -> Int {
    next += operatorCount
    return next - operatorCount
  }

  /// The thread begins with its share of an operator: here the one before it ends.
  mutating func begin(_ index: Int) {
    let now = Clock.nowNanoseconds
    if let elapsed, current >= 0 { elapsed[current] += now - startNanoseconds }
    (current, startNanoseconds) = (index, now)
  }

  /// The thread is done with its share.
  mutating func finish() { busy[current] += Clock.nowNanoseconds - startNanoseconds }

  /// The last operator ends.
  mutating func end() {
    if let elapsed, current >= 0 { elapsed[current] += Clock.nowNanoseconds - startNanoseconds }
  }
}

/// What a chain tells of its members as they run.
protocol MemberClock {
  /// A thread begins with its share of a member's rows, and is done with it.
  mutating func begin(member: Int)
  mutating func finish()
}

/// For runs that nobody records: compiles to nothing.
struct NoClock: MemberClock {
  @inline(__always) func begin(member: Int) {}
  @inline(__always) func finish() {}
}

/// A run's clock seen from a chain.
struct ChainClock: MemberClock {
  /// The first member's operator.
  let first: Int
  var clock: OperatorClock

  mutating func begin(member: Int) { clock.begin(first + member) }
  mutating func finish() { clock.finish() }
}
