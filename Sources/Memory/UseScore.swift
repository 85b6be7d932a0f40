/// How much something has been used lately: a count of uses, each of which is worth half after `halfLifeNanoseconds`.
public struct UseScore: Sendable {
  public static let halfLifeNanoseconds: Int64 = 30_000_000_000

  private var score = 0.0
  private var lastNanoseconds: Int64

  public init(at now: Int64) { lastNanoseconds = now }

  public func value(at now: Int64) -> Double { UseScore.decayed(score, over: now - lastNanoseconds) }

  public mutating func use(at now: Int64) {
    score = value(at: now) + 1
    lastNanoseconds = max(now, lastNanoseconds)
  }

  /// score · 2^(−time / half-life); between whole half-lives by a straight line, which needs no library.
  static func decayed(_ score: Double, over nanoseconds: Int64) -> Double {
    guard nanoseconds > 0 else { return score }
    let halvings = nanoseconds / halfLifeNanoseconds
    guard halvings < 64 else { return 0 }
    let rest = Double(nanoseconds % halfLifeNanoseconds) / Double(halfLifeNanoseconds)
    return score / Double((1 as UInt64) << UInt64(halvings)) * (1 - rest / 2)
  }
}
