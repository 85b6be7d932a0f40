import Testing

@testable import Runtime

/// How many threads are worth it, by what runs took.
@Suite struct ThreadTimesTests {
  private func times(_ values: [(Int, Int64)]) -> ThreadTimes {
    var times = ThreadTimes()
    for (count, nanoseconds) in values { times.add(.init(threadCount: count, nanoseconds: nanoseconds)) }
    return times
  }

  @Test func candidatesDouble() {
    #expect(ThreadTimes.candidates(1) == [1])
    #expect(ThreadTimes.candidates(2) == [1, 2])
    #expect(ThreadTimes.candidates(4) == [1, 2, 3, 4])
    #expect(ThreadTimes.candidates(6) == [1, 2, 3, 4, 6])
    #expect(ThreadTimes.candidates(3) == [1, 2, 3] && ThreadTimes.candidates(16) == [1, 2, 3, 4, 6, 8, 12, 16])
    #expect(ThreadTimes.candidates(0) == [1])
  }

  @Test func threadsThatGainNothingAreLeftOut() {
    #expect(times([]).worthwhileThreadCount == nil)
    #expect(times([(1, 100), (2, 52), (4, 30)]).worthwhileThreadCount == 4)
    // Twice as many must save a fifth.
    #expect(times([(1, 100), (2, 80)]).worthwhileThreadCount == 2)
    #expect(times([(1, 100), (2, 81)]).worthwhileThreadCount == 1)
    #expect(times([(1, 100), (2, 52), (4, 45)]).worthwhileThreadCount == 2)
    // Two are no good, four are.
    #expect(times([(1, 100), (2, 90), (4, 50)]).worthwhileThreadCount == 4)
    #expect(times([(1, 100), (2, 300), (4, 900)]).worthwhileThreadCount == 1)
    #expect(times([(1, .max), (2, .max)]).worthwhileThreadCount == 1)
  }

  @Test func theLeastOfAllMomentsCounts() {
    // Another program had the second core at first.
    var values = times([(1, 100), (2, 95)])
    values.endRound()
    #expect(values.worthwhileThreadCount == 1 && values.roundCount == 1)
    values.add(.init(threadCount: 1, nanoseconds: 110))
    values.add(.init(threadCount: 2, nanoseconds: 55))
    values.endRound()
    #expect(values.times == [.init(threadCount: 1, nanoseconds: 100), .init(threadCount: 2, nanoseconds: 55)])
    #expect(values.worthwhileThreadCount == 2 && values.roundCount == 2)
  }

  @Test func textsReadBack() {
    var values = times([(1, 4_000_000), (2, 2_100_000)])
    values.endRound()
    #expect(ThreadTimes(parsing: Array(values.text.utf8)) == values)
    for text in [
      "1 5\n", "1\n", "1\n1\n", "1\n1 0\n", "1\n2 5\n1 9\n", "1\n1 99999999999999999999\n", "1\n-1 5\n",
      "1\n5000 5\n", "1\n1 5 5\n", "0\n1 5\n", "5\n1 5\n", "-1\n1 5\n", "x\n1 5\n",
    ] {
      #expect(ThreadTimes(parsing: Array("thimble thread times 2\n\(text)".utf8)) == nil, "\(text)")
    }
    for text in ["", "1\n1 5\n", "thimble thread times 1\n1\n1 5\n"] {
      #expect(ThreadTimes(parsing: Array(text.utf8)) == nil, "\(text)")
    }
    #expect(ThreadTimes(parsing: Array("thimble thread times 2\n4\n1 5\n".utf8))?.roundCount == 4)
  }
}
