import Runtime
import Testing

/// Threads for a promised rate.
@Suite struct ThreadTimesRateTests {
  @Test func noMoreThanTheRateNeeds() {
    var times = ThreadTimes()
    #expect(times.threadCount(forRunsPerSecond: 10) == nil)
    times.add(.init(threadCount: 1, nanoseconds: 27_000_000))
    times.add(.init(threadCount: 2, nanoseconds: 15_000_000))
    times.add(.init(threadCount: 4, nanoseconds: 9_000_000))
    #expect(times.worthwhileThreadCount == 4)
    #expect(times.threadCount(forRunsPerSecond: 10) == 1 && times.threadCount(forRunsPerSecond: 27) == 1)
    #expect(times.threadCount(forRunsPerSecond: 30) == 2 && times.threadCount(forRunsPerSecond: 50) == 2)
    // More than anything keeps up: as much as is worth it.
    #expect(times.threadCount(forRunsPerSecond: 51) == 4 && times.threadCount(forRunsPerSecond: 1e9) == 4)
    #expect(times.threadCount(forRunsPerSecond: 0) == 4 && times.threadCount(forRunsPerSecond: .nan) == 4)
  }

  /// Threads that are not worth it are not taken for a rate either.
  @Test func slowerThreadsAreNoHelp() {
    var times = ThreadTimes()
    times.add(.init(threadCount: 1, nanoseconds: 10_000_000))
    times.add(.init(threadCount: 2, nanoseconds: 11_000_000))
    #expect(times.threadCount(forRunsPerSecond: 200) == 1)
  }
}
