import Memory
import Testing

@Suite struct PressureLadderTests {
  typealias Rung = PressureLadder.Rung

  func seconds(_ value: Double) -> Int64 { Int64(value * 1_000_000_000) }

  /// What is read at each second, and the rung after it.
  @Test func readingsOverTime() {
    var ladder = PressureLadder()
    let table: [(Double, PressureSeverity, Rung)] = [
      (0, .none, .none), (1, .near, .none), (2, .some, .spares), (2.5, .some, .spares), (3, .some, .idleCaches),
      // A worse reading in the same second adds what it is worth more.
      (3.2, .high, .streamed), (3.3, .critical, .unbatched), (3.4, .critical, .unbatched),
      // Neither down nor quiet.
      (9, .near, .unbatched), (18.9, .none, .unbatched), (19, .none, .streamed), (28.9, .none, .streamed),
      (29, .none, .idleCaches), (35, .near, .idleCaches), (44, .none, .idleCaches), (45, .none, .spares),
      (55, .none, .none), (1000, .none, .none), (1001, .critical, .streamed), (1002, .critical, .refuse),
      (1003, .critical, .refuse),
    ]
    for (time, severity, rung) in table {
      let before = ladder.rung
      let step = ladder.note(severity, at: seconds(time))
      #expect(ladder.rung == rung, "at \(time) s")
      #expect(
        step?.from == (before == rung ? nil : before) && step?.to == (before == rung ? nil : rung), "at \(time) s")
    }
  }

  @Test func whatComesBackSoonIsAwaitedLonger() {
    var ladder = PressureLadder()
    var now: Int64 = 0
    var waits: [Int64] = []
    for _ in 0..<7 {
      _ = ladder.note(.some, at: now)
      #expect(ladder.rung == .spares)
      waits.append((ladder.dueNanoseconds - now) / 1_000_000_000)
      #expect(ladder.note(.none, at: ladder.dueNanoseconds - 1) == nil)
      now = ladder.dueNanoseconds
      #expect(ladder.note(.none, at: now)?.isDown == false && ladder.dueNanoseconds == Int64.max)
      now += seconds(5)
    }
    #expect(waits == [10, 20, 40, 80, 160, 300, 300])
    // Long after the last step up it begins anew.
    now += seconds(56)
    _ = ladder.note(.some, at: now)
    #expect(ladder.quietNanoseconds == PressureLadder.quietNanosecondsMin)
  }

  @Test func readingsAreJudged() {
    func severity(_ change: (inout PressureReadings) -> Void) -> PressureSeverity {
      var readings = PressureReadings()
      change(&readings)
      let (severity, cause) = readings.worst
      #expect((cause == nil) == (severity == .none))
      return severity
    }
    #expect(severity { _ in } == .none)
    #expect(severity { $0.hasSomeStall = true } == .some && severity { $0.hasFullStall = true } == .high)
    #expect(severity { $0.hasMediumLevel = true } == .some && severity { $0.hasCriticalLevel = true } == .high)
    #expect(severity { $0.highCount = 3 } == .some && severity { $0.maxCount = 1 } == .high)
    #expect(severity { $0.oomCount = 1 } == .critical)
    #expect(severity { ($0.hasSomeStall, $0.oomCount) = (true, 1) } == .critical)
    func machine(_ left: Int) -> PressureSeverity {
      severity { $0.machine = .init(limitByteCount: 1600 << 20, usedByteCount: (1600 - left) << 20) }
    }
    // The floor is 100 MiB.
    #expect(machine(1600) == .none && machine(125) == .none && machine(124) == .near && machine(100) == .near)
    #expect(machine(99) == .some && machine(49) == .high && machine(24) == .critical && machine(-5) == .critical)
    let large = PressureReadings.Share(limitByteCount: 64 << 30, usedByteCount: 63 << 30)
    #expect(severity { $0.machine = large } == .none)
    func group(_ left: Int) -> PressureSeverity {
      severity { $0.group = .init(limitByteCount: 64 << 20, usedByteCount: (64 << 20) - (left << 10)) }
    }
    #expect(group(2560) == .none && group(2048) == .near && group(2047) == .some && group(1000) == .high)
    #expect(group(0) == .critical)
    #expect(severity { $0.group = .init(limitByteCount: 0, usedByteCount: 5) } == .none)
    // A group that is full of files' pages reclaims all the time; that is bad only where little else is left.
    for left in [2560, 2100] {
      func reclaiming(_ change: (inout PressureReadings) -> Void) -> PressureSeverity {
        severity {
          $0.group = .init(limitByteCount: 64 << 20, usedByteCount: (64 << 20) - (left << 10))
          change(&$0)
        }
      }
      let hasRoom = left == 2560
      #expect(reclaiming { $0.hasMediumLevel = true } == (hasRoom ? .none : .some))
      #expect(reclaiming { $0.hasCriticalLevel = true } == (hasRoom ? .none : .high))
      #expect(reclaiming { ($0.highCount, $0.maxCount) = (1, 1) } == (hasRoom ? .none : .high))
      #expect(reclaiming { $0.hasFullStall = true } == .high && reclaiming { $0.oomCount = 1 } == .critical)
    }
  }
}
