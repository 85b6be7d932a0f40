/// What each user has had of the cores, for the share of energy that it answers for. Owned by the event loop.
struct ClientUsage {
  struct Share {
    /// Nil: somebody on another machine.
    let user: UInt32?
    var inferenceCount = 0
    /// Time of inferences times their threads.
    var coreNanoseconds: Int64 = 0

    /// As in labels: the user's number, or `remote`.
    var name: String { user.map { "\($0)" } ?? "remote" }
  }

  /// Whoever comes later is not told apart, so that the table and the metrics stay small.
  static let sharesMax = 16
  static let othersName = "other"

  private(set) var shares: [Share] = []
  private(set) var others = Share(user: nil)

  mutating func add(_ user: UInt32?, coreNanoseconds: Int64) {
    if let index = shares.firstIndex(where: { $0.user == user }) {
      ClientUsage.add(coreNanoseconds, to: &shares[index])
    } else if shares.count < ClientUsage.sharesMax {
      var share = Share(user: user)
      ClientUsage.add(coreNanoseconds, to: &share)
      shares.append(share)
    } else {
      ClientUsage.add(coreNanoseconds, to: &others)
    }
  }

  private static func add(_ coreNanoseconds: Int64, to share: inout Share) {
    share.inferenceCount += 1
    share.coreNanoseconds += max(0, coreNanoseconds)
  }

  /// Each share with its name; the others' last, where there are any.
  var named: [(name: String, share: Share)] {
    let rows = shares.map { (name: $0.name, share: $0) }
    return others.inferenceCount == 0 ? rows : rows + [(name: ClientUsage.othersName, share: others)]
  }
}
