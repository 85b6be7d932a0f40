import Protocols
import Testing

@testable import Serving

@Suite struct ClientPolicyTests {
  private func policy(_ text: String) throws -> ClientPolicy {
    try Array(text.utf8).withUnsafeBytes { try ClientPolicy(parsing: $0) }
  }

  private func peer(_ user: UInt32?, _ groups: UInt32...) -> ClientPolicy.Peer { .init(user: user, groups: groups) }

  @Test func categoriesAreForThoseNamed() throws {
    let policy = try policy(#"{"allowed": {"trace": ["4001", "@77"], "logging": []}}"#)
    #expect(policy.mayUse(.trace, peer(4001, 1)) && policy.mayUse(.trace, peer(4002, 1, 77)))
    #expect(
      !policy.mayUse(.trace, peer(4002, 1)) && !policy.mayUse(.trace, peer(nil)) && !policy.mayUse(.trace, peer(77)))
    #expect(!policy.mayUse(.logging, peer(4001)) && policy.mayUse(.logging, peer(0)))
    #expect(policy.mayUse(.inference, peer(nil)))
  }

  @Test func theFirstThatFitsCounts() throws {
    let policy = try policy(
      #"{"clients": [{"user": "4001", "cpu_share": 5}, {"user": "@7", "max_memory": "1M"}, {"highest_priority": 9}]}"#)
    #expect(policy.terms(of: peer(4001, 7)) == .init(cpuSharePercent: 5))
    #expect(policy.terms(of: peer(4002, 1, 7)) == .init(byteCountMax: 1 << 20))
    #expect(policy.terms(of: peer(nil)) == .init(highestLevel: 9))
    #expect(try self.policy("{}").terms(of: peer(1)) == .unlimited)
  }

  @Test(arguments: [
    "", "[]", #"{"allowed": []}"#, #"{"allowed": {"trace": "x"}}"#, #"{"allowed": {"trace": [1]}}"#,
    #"{"allowed": {"trace": ["no such user"]}}"#, #"{"allowed": {"trace": [], "trace": []}}"#,
    #"{"allowed": {"all": []}}"#,
    #"{"clients": {}}"#, #"{"clients": [{"user": "@no such group"}]}"#, #"{"clients": [{"cpu_share": 101}]}"#,
    #"{"clients": [{"max_memory": 5}]}"#, #"{"clients": [{"max_memory": "much"}]}"#, #"{"clients": [{"name": "x"}]}"#,
    #"{"clients": []} x"#, #"{"clients": [{"highest_priority": 0}]}"#,
  ])
  func whatIsNoPolicyIsRefused(_ text: String) { #expect(throws: ProtocolError.self) { try policy(text) } }

  @Test func everyRouteHasACategory() {
    for path in ["v2", "v2/models/m/infer", "v2/repository/index", "v2/logging", "v2/trace/setting", "metrics"] {
      let parts = path.split(separator: "/").map { String($0) }
      #expect(Route(method: path.hasSuffix("x") || path.hasSuffix("infer") ? .post : .get, path: parts).category != nil)
    }
    #expect(Route.notFound.category == nil)
  }

  @Test func sharesOfTheCoresAreKept() {
    var shares = CPUShares()
    var (now, taken) = (Int64(1_000_000_000), Int64(0))
    let end = now + 100_000_000_000
    // Who asks again at once, 10 ms of two threads each time, has 10 % of both in the end.
    while now < end {
      now = max(now, shares.dueNanoseconds(5)) + 10_000_000
      shares.add(5, coreNanoseconds: 20_000_000, percent: 10, threadCount: 2, now: now)
      taken += 20_000_000
    }
    let share = Double(taken) / Double(2 * 100_000_000_000)
    #expect(share > 0.095 && share < 0.105)
    #expect(shares.dueNanoseconds(6) == 0)
    // Who has paid is at once on again.
    shares.add(6, coreNanoseconds: 1, percent: 100, threadCount: 1, now: now + 1_000_000_000_000)
    #expect(shares.dueNanoseconds(5) == 0)
  }
}
