import System

/// How long a model's requests took lately, while somebody watches. Owned by the event loop.
final class LatencyWindow {
  /// Eight steps to each doubling, from 1 µs on: a quantile is at most 13 % too high.
  private static let stepsPerDoubling = 8
  private static let stepCount = 27 * stepsPerDoubling
  private static let halfNanoseconds: Int64 = 5_000_000_000
  private static let watchNanoseconds: Int64 = 60_000_000_000
  static let byteCount = 2 * stepCount * MemoryLayout<UInt32>.stride

  /// Requests by step, in this half of the window and in the one before.
  private var now = [UInt32](repeating: 0, count: LatencyWindow.stepCount)
  private var before = [UInt32](repeating: 0, count: LatencyWindow.stepCount)
  private var halfStart: Int64
  private var watchEnd: Int64
  private let held: HeldMemory

  init(_ held: HeldMemory, at now: Int64) {
    self.held = held
    halfStart = now
    watchEnd = now + LatencyWindow.watchNanoseconds
  }

  /// Somebody looks.
  func watch(at now: Int64) {
    watchEnd = now + LatencyWindow.watchNanoseconds
    turn(now)
  }

  /// Returns whether anybody still watches.
  func note(_ nanoseconds: Int64, at time: Int64) -> Bool {
    turn(time)
    now[LatencyWindow.step(nanoseconds)] &+= 1
    return time < watchEnd
  }

  /// The time within which so large a share of the requests was answered, rounded up to a step; nil where there were none.
  func quantileNanoseconds(_ share: Double) -> Int64? {
    let count = zip(now, before).reduce(0) { $0 + Int($1.0) + Int($1.1) }
    guard count > 0 else { return nil }
    let wanted = max(1, Int((share * Double(count)).rounded(.up)))
    var sum = 0
    for step in now.indices {
      sum += Int(now[step]) + Int(before[step])
      if sum >= wanted { return LatencyWindow.upperNanoseconds(step) }
    }
    return LatencyWindow.upperNanoseconds(LatencyWindow.stepCount - 1)
  }

  private func turn(_ time: Int64) {
    let elapsed = time - halfStart
    guard elapsed >= LatencyWindow.halfNanoseconds else { return }
    swap(&now, &before)
    for step in now.indices { now[step] = 0 }
    if elapsed >= 2 * LatencyWindow.halfNanoseconds { for step in before.indices { before[step] = 0 } }
    halfStart = time
  }

  /// Steps of a doubling are evenly wide.
  static func step(_ nanoseconds: Int64) -> Int {
    let micros = UInt64(min(1 << 50, max(1000, nanoseconds))) * UInt64(stepsPerDoubling) / 1000
    let doubling = (63 - micros.leadingZeroBitCount) - 3
    let within = Int(micros >> UInt64(doubling)) - stepsPerDoubling
    return min(stepCount - 1, doubling * stepsPerDoubling + within)
  }

  static func upperNanoseconds(_ step: Int) -> Int64 {
    let (doubling, within) = (step / stepsPerDoubling, step % stepsPerDoubling)
    return Int64(within + 1 + stepsPerDoubling) << Int64(doubling) * 1000 / Int64(stepsPerDoubling)
  }
}
