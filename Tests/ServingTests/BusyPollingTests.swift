import Testing

@testable import Serving

@Suite struct BusyPollingTests {
  private func after(_ events: [(token: UInt64, isOnly: Bool, nanoseconds: Int64)]) -> BusyPolling {
    var polling = BusyPolling()
    for event in events { polling.note(event.token, isOnly: event.isOnly, after: event.nanoseconds) }
    return polling
  }

  @Test func sleepsUntilOneClientAsksAgainAndAgain() {
    #expect(!BusyPolling().isWorthwhile)
    #expect(!after(Array(repeating: (17, true, 60_000), count: 4)).isWorthwhile)
    #expect(after(Array(repeating: (17, true, 60_000), count: 5)).isWorthwhile)
  }

  @Test func sleepsWhileClientsThink() {
    #expect(!after(Array(repeating: (17, true, 1_000_000), count: 100)).isWorthwhile)
  }

  @Test func sleepsWhereSeveralAsk() {
    #expect(!after((0..<100).map { (16 + UInt64($0 % 2), true, 10_000) }).isWorthwhile)
    #expect(!after(Array(repeating: (17, false, 10_000), count: 100)).isWorthwhile)
  }

  @Test func givesUpAfterVainWindows() {
    var polling = after(Array(repeating: (17, true, 60_000), count: 100))
    polling.noteVain()
    #expect(polling.isWorthwhile)
    polling.noteVain()
    #expect(!polling.isWorthwhile)
  }
}
