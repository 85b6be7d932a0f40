import System
import Testing

@testable import Serving

/// Who is next, and who finds no room.
@Suite struct JobQueueTests {
  /// A client that asks again as soon as it has its answer.
  private struct Client {
    let name: String
    let user: UInt32?
    var level = 2
    var use = ConnectionUse()
  }

  private func job(_ client: Client, delay: Int64 = .max, group: AnyObject? = nil, groupMax: Int = 0) -> QueuedJob {
    let job = QueuedJob(connection: UInt64(client.name.utf8.first ?? 0))
    job.ticket = JobTicket(
      user: client.user, level: client.level, delayNanoseconds: delay, group: group.map { ObjectIdentifier($0) },
      groupMax: groupMax, use: client.use)
    return job
  }

  private func name(_ job: QueuedJob?) -> String { job.map { String(UnicodeScalar(UInt8($0.connection))) } ?? "-" }

  /// Names in the order of being served, each run taking as long as `cost` says of the client.
  private func order(
    _ clients: [Client], turns: Int, now: Int64 = 0, cost: (Client) -> Int64 = { _ in 10 }
  ) -> String {
    var queue = JobQueue(capacity: 16)
    var clients = clients
    for client in clients { #expect(queue.append(job(client), limit: 64) == nil) }
    var order = ""
    for _ in 0..<turns {
      guard let next = queue.take(now, { $0.earliestNanoseconds }) else { break }
      let name = name(next)
      order += name
      let index = clients.firstIndex { $0.name == name }!
      queue.ran(next, nanoseconds: cost(clients[index]))
      clients[index].use = next.ticket!.use
      #expect(queue.append(job(clients[index]), limit: 64) == nil)
    }
    return order
  }

  private func batchable(_ name: String, _ model: AnyObject, user: UInt32 = 1, level: Int = 2, delay: Int64 = 0)
    -> QueuedJob
  {
    let job = job(Client(name: name, user: user, level: level))
    job.batchTerms = BatchTerms(key: ObjectIdentifier(model), countMax: 3, wantedCount: 3, delayNanoseconds: delay)
    return job
  }

  /// Those of one model and one priority, at most so many, of several users in turn.
  @Test func jobsOfOneModelRunTogether() {
    let (model, other) = (AllocatedObject(), AllocatedObject())
    var queue = JobQueue(capacity: 16)
    let jobs = [
      batchable("a", model), batchable("b", model), batchable("c", other), batchable("d", model, level: 1),
      batchable("e", model), batchable("f", model, user: 2), job(Client(name: "g", user: 3)),
    ]
    for job in jobs { #expect(queue.append(job, limit: 64) == nil) }
    func next() -> String {
      guard let job = queue.take(0, { $0.earliestNanoseconds }) else { return "-" }
      return ([job] + queue.takeMates(of: job, 0)).map { name($0) }.joined()
    }
    #expect(next() == "d")
    #expect(next() == "abe")
    #expect((0..<4).map { _ in next() }.sorted() == ["-", "c", "f", "g"])
  }

  /// They wait for each other, until they are as many as is wanted.
  @Test func jobsWaitForTheirLike() {
    let model = AllocatedObject()
    var queue = JobQueue(capacity: 16)
    let first = batchable("a", model, delay: 1000)
    let start = first.receivedNanoseconds
    #expect(queue.append(first, limit: 64) == nil)
    #expect(queue.take(start) { $0.earliestNanoseconds } == nil)
    #expect(queue.nextDue { $0.earliestNanoseconds } == start + 1000)
    #expect(queue.take(start + 1000) { $0.earliestNanoseconds } === first)
    queue.batchWindowNanoseconds = 5000
    for name in ["b", "c"] { #expect(queue.append(batchable(name, model), limit: 64) == nil) }
    #expect(queue.take(start) { $0.earliestNanoseconds } == nil)
    #expect(queue.append(batchable("d", model), limit: 64) == nil)
    let job = queue.take(start) { $0.earliestNanoseconds }
    #expect(job != nil && queue.takeMates(of: job!, start).count == 2 && queue.isEmpty)
  }

  /// Who has been answered together with others is awaited with those that came meanwhile, for an eighth of the run's time.
  @Test func clientsThatRanTogetherAreAwaited() {
    let model = AllocatedObject()
    var queue = JobQueue(capacity: 16)
    let alone = batchable("a", model)
    queue.ranTogether(alone, count: 1, from: 0, to: 800)
    #expect(queue.append(alone, limit: 64) == nil)
    #expect(queue.take(801) { $0.earliestNanoseconds } === alone)
    #expect(queue.append(batchable("b", model), limit: 64) == nil)
    queue.ranTogether(alone, count: 1, from: 1000, to: 1800)
    #expect(queue.take(1801) { $0.earliestNanoseconds } == nil)
    #expect(queue.nextDue { $0.earliestNanoseconds } == 1900)
    #expect(queue.append(batchable("c", model), limit: 64) == nil)
    #expect(queue.take(1801) { $0.earliestNanoseconds } != nil)
    #expect(queue.take(1900) { $0.earliestNanoseconds } != nil)
  }

  private final class AllocatedObject {}

  /// What ends a model does not pass requests of it that wait for their time, and nothing wakes for it before.
  @Test func whatRunsAfterAllDoes() {
    final class Last: QueuedJob, @unchecked Sendable {
      override var runsAfterAll: Bool { true }
    }
    var queue = JobQueue(capacity: 16)
    let slow = job(Client(name: "a", user: 1))
    slow.earliestNanoseconds = 100
    let last = Last(connection: 0)
    let later = job(Client(name: "b", user: 1))
    for job in [slow, last, later] { #expect(queue.append(job, limit: 64) == nil) }
    #expect(queue.take(0) { $0.earliestNanoseconds } === later)
    #expect(queue.take(0) { $0.earliestNanoseconds } == nil)
    #expect(queue.nextDue { $0.earliestNanoseconds } == 100)
    #expect(queue.take(100) { $0.earliestNanoseconds } === slow)
    #expect(queue.nextDue { $0.earliestNanoseconds } == 0)
    #expect(queue.take(100) { $0.earliestNanoseconds } === last)
  }

  @Test func inTurnWithinALevel() {
    #expect(order(["a", "b", "c"].map { Client(name: $0, user: 1) }, turns: 9) == "abcabcabc")
  }

  @Test func levelsBeforeTurns() {
    let clients = [Client(name: "a", user: 1, level: 3), Client(name: "b", user: 1, level: 1)]
    #expect(order(clients, turns: 6) == "bbbbbb")
  }

  @Test func usersShareWhateverTheirConnections() {
    let flood = (0..<5).map { Client(name: String(UnicodeScalar(UInt8(97 + $0))), user: 1) }
    let order = order(flood + [Client(name: "x", user: 2)], turns: 40)
    #expect(order.count { $0 == "x" } == 20)
    #expect(order.count { $0 == "a" } == 4 && order.count { $0 == "e" } == 4)
  }

  @Test func timeIsSharedAndNotRuns() {
    let clients = [Client(name: "a", user: 1), Client(name: "b", user: 2)]
    let order = order(clients, turns: 40) { $0.name == "a" ? 30 : 10 }
    #expect((9...11).contains(order.count { $0 == "a" }))
  }

  /// A client that asks now and then waits for the run under way alone, also among its own user's others; having rested gives
  /// it no more.
  @Test func whoAsksSeldomGoesFirst() {
    var queue = JobQueue(capacity: 16)
    var flood = (0..<8).map { Client(name: String(UnicodeScalar(UInt8(97 + $0))), user: 1) }
    for client in flood { _ = queue.append(job(client), limit: 64) }
    var seldom = Client(name: "x", user: 1)
    var places: [Int] = []
    var sinceAsked: Int?
    for turn in 0..<200 {
      if turn % 20 == 10 {
        _ = queue.append(job(seldom), limit: 64)
        sinceAsked = 0
      }
      let next = queue.take(0) { $0.earliestNanoseconds }!
      queue.ran(next, nanoseconds: 10)
      if name(next) == "x" {
        places.append(sinceAsked!)
        seldom.use = next.ticket!.use
        sinceAsked = nil
        continue
      }
      sinceAsked = sinceAsked.map { $0 + 1 }
      let index = flood.firstIndex { $0.name == name(next) }!
      flood[index].use = next.ticket!.use
      _ = queue.append(job(flood[index]), limit: 64)
    }
    #expect(places.count == 10)
    // Those whose turn in the round was before its own may still come.
    #expect(places.allSatisfy { $0 <= 8 } && places.reduce(0, +) <= 40)
  }

  @Test func nobodyStarves() {
    let clients = [Client(name: "a", user: 1, level: 3), Client(name: "b", user: 1, level: 1)]
    // All have waited long: the one that came first has every fourth turn.
    let order = order(clients, turns: 40, now: Clock.nowNanoseconds + 2 * JobQueue.patienceNanoseconds)
    #expect(order.count { $0 == "a" } >= 4 && order.count { $0 == "b" } >= 28)
  }

  @Test func whatWasDelayedComesLast() {
    var queue = JobQueue(capacity: 4)
    let clients = ["a", "b", "c"].map { Client(name: $0, user: 1) }
    _ = queue.append(job(clients[0], delay: 50), limit: 4)
    _ = queue.append(job(clients[1]), limit: 4)
    _ = queue.append(job(Client(name: "d", user: 1, level: 3)), limit: 4)
    #expect((0..<3).map { _ in name(queue.take(60) { _ in 0 }) } == ["b", "a", "d"])
  }

  @Test func whatIsNoRequestWaitsForAllBefore() {
    var queue = JobQueue(capacity: 8)
    _ = queue.append(job(Client(name: "a", user: 1, level: 3)), limit: 8)
    #expect(queue.append(QueuedJob(connection: UInt64(UInt8(ascii: "L"))), limit: 8) == nil)
    _ = queue.append(job(Client(name: "b", user: 1, level: 1)), limit: 8)
    #expect((0..<4).map { _ in name(queue.take(0) { _ in 0 }) } == ["b", "a", "L", "-"])
    // Once it has waited long, nobody passes any more.
    _ = queue.append(job(Client(name: "a", user: 1, level: 3)), limit: 8)
    _ = queue.append(QueuedJob(connection: UInt64(UInt8(ascii: "L"))), limit: 8)
    _ = queue.append(job(Client(name: "b", user: 1, level: 1)), limit: 8)
    let later = Clock.nowNanoseconds + 2 * JobQueue.patienceNanoseconds
    #expect((0..<3).map { _ in name(queue.take(later) { _ in 0 }) } == ["a", "L", "b"])
  }

  @Test func limits() {
    var queue = JobQueue(capacity: 8)
    let group = QueuedJob(connection: 0)
    #expect(queue.append(job(Client(name: "a", user: 1), group: group, groupMax: 1), limit: 3) == nil)
    #expect(
      queue.append(job(Client(name: "a", user: 1), group: group, groupMax: 1), limit: 3) == .groupFull(limit: 1))
    // Each priority has its own queue.
    #expect(queue.append(job(Client(name: "b", user: 1, level: 1), group: group, groupMax: 1), limit: 3) == nil)
    #expect(queue.append(job(Client(name: "a", user: 1)), limit: 3, userLimit: 2) == .userFull(limit: 2))
    #expect(queue.append(job(Client(name: "a", user: 1)), limit: 3) == nil)
    #expect(queue.append(job(Client(name: "a", user: 1)), limit: 3) == .full(limit: 3))
    // Another user still has a place, but one.
    let other = job(Client(name: "x", user: nil))
    #expect(queue.append(other, limit: 3) == nil)
    #expect(queue.append(job(Client(name: "y", user: nil)), limit: 3) == .full(limit: 3))
    #expect(queue.remove(other) && !queue.remove(other) && queue.count == 3)
  }
}
