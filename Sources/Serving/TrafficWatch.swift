/// Answers of versions that share a model's requests, and which of them have lost their share. Owned by the event loop.
struct TrafficWatch: Sendable {
  let shares: [VersionSelection.Share]
  private let policy: RollbackPolicy
  private var tallies: [Tally] = []
  private var halfStartNanoseconds: Int64 = 0
  private(set) var rolledBack: [Int] = []

  /// Answers in this half of the window and in the one before.
  private struct Tally {
    let version: Int
    var now = Rate()
    var before = Rate()

    var sum: Rate { .init(requests: now.requests + before.requests, errors: now.errors + before.errors) }
  }

  /// Errors among requests.
  struct Rate: Equatable, Sendable {
    var requests = 0
    var errors = 0

    var share: Double { requests > 0 ? Double(errors) / Double(requests) : 0 }
  }

  /// Why a version has lost its share.
  struct Rollback: Equatable, Sendable {
    let version: Int
    let rate: Rate
    let others: Rate
  }

  init(_ selection: VersionSelection) {
    shares = selection.traffic
    policy = selection.rollback
  }

  func isRolledBack(_ version: Int) -> Bool { rolledBack.contains(version) }

  /// The weight of a version's share now.
  func weight(_ share: VersionSelection.Share) -> Int { isRolledBack(share.version) ? 0 : share.weight }

  /// Takes note of an answer; returns what has to be rolled back for it, which is done.
  mutating func note(_ version: Int, isError: Bool, now: Int64) -> Rollback? {
    guard policy.isEnabled else { return nil }
    turn(now)
    let place = place(of: version)
    tallies[place].now.requests += 1
    guard isError else { return nil }
    tallies[place].now.errors += 1
    let candidates = shares.filter { weight($0) > 0 }
    // The last one has nobody to give its share to.
    guard candidates.count > 1, candidates[0].version == version else { return nil }
    let rate = tallies[place].sum
    let others = tallies.reduce(into: Rate()) { sum, tally in
      guard tally.version != version, !isRolledBack(tally.version) else { return }
      sum.requests += tally.sum.requests
      sum.errors += tally.sum.errors
    }
    guard rate.requests >= policy.requestCountMin, rate.share > others.share + Double(policy.margin) else { return nil }
    rolledBack.append(version)
    return Rollback(version: version, rate: rate, others: others)
  }

  /// A version has been loaded anew: what was said of it no longer holds.
  mutating func forget(_ version: Int) {
    rolledBack.removeAll { $0 == version }
    tallies.removeAll { $0.version == version }
  }

  private mutating func turn(_ now: Int64) {
    let half = max(1, Int64(policy.windowSeconds) * 1_000_000_000 / 2)
    let elapsed = now - halfStartNanoseconds
    guard elapsed >= half || elapsed < 0 else { return }
    for index in tallies.indices {
      tallies[index].before = elapsed < 2 * half ? tallies[index].now : Rate()
      tallies[index].now = Rate()
    }
    halfStartNanoseconds = now
  }

  private mutating func place(of version: Int) -> Int {
    if let place = tallies.firstIndex(where: { $0.version == version }) { return place }
    tallies.append(Tally(version: version))
    return tallies.count - 1
  }
}
