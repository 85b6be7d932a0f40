/// What a request brings to the queue. What keeps the server going has none: it runs once all before it has run, first of those
/// that come after.
struct JobTicket: Sendable {
  /// Who waits; nil: somebody on another machine.
  var user: UInt32?
  /// 1 is the first to be served.
  var level = 2
  /// From when on others of the level go first.
  var delayNanoseconds = Int64.max
  /// Among whom `groupMax` counts; 0: it does not.
  var group: ObjectIdentifier?
  var groupMax = 0
  /// Of all that the threads can do; 0: what it gets.
  var cpuSharePercent = 0
  /// What the connection has used: see `ConnectionUse`.
  var use = ConnectionUse()
}

/// How much of the worker's time a connection has had, on the clock of its user's share.
struct ConnectionUse: Sendable {
  var nanoseconds: Int64 = 0
  /// What the last request took of it.
  var lastNanoseconds: Int64 = 0

  /// On a clock that shows `clock`: whoever comes anew has no credit from earlier, and owes no more than its last request.
  func at(_ clock: Int64) -> ConnectionUse {
    .init(nanoseconds: min(max(nanoseconds, clock), clock + lastNanoseconds), lastNanoseconds: lastNanoseconds)
  }

  func adding(_ nanoseconds: Int64) -> ConnectionUse {
    .init(nanoseconds: self.nanoseconds + nanoseconds, lastNanoseconds: nanoseconds)
  }
}

/// Jobs that wait, and which of them is next: the highest priority; of that the user who has had the least of the worker's time
/// of those who want it, and of that user's the connection. So a client that asks now and then is served before those that
/// always ask. (P. Goyal et al., "Start-time Fair Queueing", 1996, with times known once a job is done.)
struct JobQueue {
  enum Refusal: Equatable, Sendable {
    case full(limit: Int)
    case userFull(limit: Int)
    case groupFull(limit: Int)
  }

  /// Users of one level with jobs that wait, or that have just had their turn.
  private struct Share {
    let user: UInt32?
    let level: Int
    var waitingCount = 0
    var usedNanoseconds: Int64
    /// What the connection had used that was served last.
    var clock: Int64 = 0
  }

  /// In the order of coming, but for those that come first.
  private var jobs: [QueuedJob] = []
  private var shares: [Share] = []
  /// By level: what the user had used that was served last.
  private var clocks = [Int64](repeating: 0, count: ServingLimits.priorityLevelsMax + 1)
  private var turnCount = 0
  private var lastBatch = LastBatch()

  /// Clients that have been answered together ask again at once, or do not: they are awaited for a small share of what the run took,
  /// with those that have waited meanwhile, so that not one half of them runs while the other one waits.
  private struct LastBatch {
    var key: ObjectIdentifier?
    var expectedCount = 0
    var gathersUntilNanoseconds: Int64 = 0
  }

  static let gatheringShare: Int64 = 8
  static let gatheringNanosecondsMax: Int64 = 5_000_000
  /// How long requests that may run together wait for each other at least.
  var batchWindowNanoseconds: Int64 = 0

  /// Who has waited so long gets one turn of `patientTurns` whatever its priority, and lets nobody pass that comes later where
  /// it is no request.
  static let patienceNanoseconds: Int64 = 1_000_000_000
  static let patientTurns = 4

  init(capacity: Int) { jobs.reserveCapacity(capacity) }

  var count: Int { jobs.count }
  var isEmpty: Bool { jobs.isEmpty }

  // MARK: Coming

  mutating func insertFirst(_ job: QueuedJob) { jobs.insert(job, at: 0) }

  /// Returns why there is no room for the job, below `limit` and with no more than `userLimit` of one user's; nil: it waits.
  /// A user who has nothing waiting finds room where others have filled it.
  mutating func append(_ job: QueuedJob, limit: Int, userLimit: Int = Int.max) -> Refusal? {
    guard let ticket = job.ticket else {
      guard jobs.count < limit else { return .full(limit: limit) }
      jobs.append(job)
      return nil
    }
    let userCount = jobs.count { $0.ticket?.user == ticket.user && $0.ticket != nil }
    let hasOthers = jobs.contains { $0.ticket.map { $0.user != ticket.user } ?? false }
    guard jobs.count < limit || userCount == 0 && hasOthers else { return .full(limit: limit) }
    guard userCount < userLimit else { return .userFull(limit: userLimit) }
    if ticket.groupMax > 0 {
      let groupCount = jobs.count { $0.ticket?.group == ticket.group && $0.ticket?.level == ticket.level }
      guard groupCount < ticket.groupMax else { return .groupFull(limit: ticket.groupMax) }
    }
    let share = share(of: ticket)
    if shares[share].waitingCount == 0 {
      shares[share].usedNanoseconds = max(shares[share].usedNanoseconds, clocks[ticket.level])
    }
    shares[share].waitingCount += 1
    job.ticket?.use = ticket.use.at(shares[share].clock)
    jobs.append(job)
    return nil
  }

  private func shareIndex(_ ticket: JobTicket) -> Int? {
    shares.firstIndex { $0.user == ticket.user && $0.level == ticket.level }
  }

  private mutating func share(of ticket: JobTicket) -> Int {
    if let index = shareIndex(ticket) { return index }
    // Who has nothing waiting and is behind the clock would be set to it.
    shares.removeAll { $0.waitingCount == 0 && $0.usedNanoseconds < clocks[$0.level] }
    shares.append(
      Share(
        user: ticket.user, level: ticket.level, usedNanoseconds: clocks[ticket.level],
        clock: ticket.use.nanoseconds))
    return shares.count - 1
  }

  // MARK: Going

  /// Returns whether it was there.
  mutating func remove(_ job: QueuedJob) -> Bool {
    guard let index = jobs.firstIndex(where: { $0 === job }) else { return false }
    take(at: index)
    return true
  }

  mutating func removeAll() {
    jobs.removeAll()
    shares.removeAll()
  }

  /// When the next job may start; nil where none waits.
  func nextDue(_ due: (QueuedJob) -> Int64) -> Int64? {
    guard let first = jobs.first else { return nil }
    return jobs.dropFirst().reduce(self.due(first, due)) { $1.runsAfterAll ? $0 : min($0, self.due($1, due)) }
  }

  private func due(_ job: QueuedJob, _ due: (QueuedJob) -> Int64) -> Int64 {
    max(due(job), batchDueNanoseconds(job))
  }

  /// Until when a job waits for others to run with; 0 where it does not.
  func batchDueNanoseconds(_ job: QueuedJob) -> Int64 {
    guard let terms = job.batchTerms else { return 0 }
    let delay = max(terms.delayNanoseconds, batchWindowNanoseconds)
    let gathers = lastBatch.key == terms.key
    guard delay > 0 || gathers else { return 0 }
    let count = mateCount(of: job, terms.key)
    guard count < terms.wantedCount else { return 0 }
    return max(
      delay > 0 ? job.receivedNanoseconds + delay : 0,
      gathers && count < lastBatch.expectedCount ? lastBatch.gathersUntilNanoseconds : 0)
  }

  private func mateCount(of job: QueuedJob, _ key: ObjectIdentifier) -> Int { jobs.count { isMate($0, of: job, key) } }

  /// Takes the next job of those whose time has come.
  mutating func take(_ now: Int64, _ due: (QueuedJob) -> Int64) -> QueuedJob? {
    guard
      let first = jobs.indices.first(where: { self.due(jobs[$0], due) <= now && ($0 == 0 || !jobs[$0].runsAfterAll) })
    else { return nil }
    guard jobs[first].ticket != nil else { return take(at: first) }
    turnCount &+= 1
    if turnCount % JobQueue.patientTurns == 0, isPatient(jobs[first], now) { return served(first) }
    var best = first
    for index in jobs.indices[(first + 1)...] {
      if jobs[index].ticket == nil, isPatient(jobs[index], now) { break }
      if self.due(jobs[index], due) <= now, precedes(jobs[index], jobs[best], now) { best = index }
    }
    return served(best)
  }

  /// Takes what may run together with a job that has been taken, those first that would be next, as many as its terms allow.
  mutating func takeMates(of job: QueuedJob, _ now: Int64) -> [QueuedJob] {
    guard let terms = job.batchTerms, terms.countMax > 1 else { return [] }
    var mates: [QueuedJob] = []
    while mates.count + 1 < terms.countMax {
      var best: Int?
      for index in jobs.indices where isMate(jobs[index], of: job, terms.key) && jobs[index].earliestNanoseconds <= now
      {
        if best == nil || precedes(jobs[index], jobs[best!], now) { best = index }
      }
      guard let best else { break }
      mates.append(served(best))
    }
    return mates
  }

  /// Jobs have run together, and so may their like.
  mutating func ranTogether(_ job: QueuedJob, count: Int, from start: Int64, to end: Int64) {
    guard let terms = job.batchTerms else { return }
    let wait = min(JobQueue.gatheringNanosecondsMax, (end - start) / JobQueue.gatheringShare)
    lastBatch = LastBatch(
      key: terms.key, expectedCount: min(terms.countMax, count + mateCount(of: job, terms.key)),
      gathersUntilNanoseconds: end + wait)
  }

  private func isMate(_ other: QueuedJob, of job: QueuedJob, _ key: ObjectIdentifier) -> Bool {
    other.batchTerms?.key == key && other.ticket?.level == job.ticket?.level
  }

  private func isPatient(_ job: QueuedJob, _ now: Int64) -> Bool {
    now - max(job.receivedNanoseconds, job.earliestNanoseconds) >= JobQueue.patienceNanoseconds
  }

  private func precedes(_ left: QueuedJob, _ right: QueuedJob, _ now: Int64) -> Bool {
    guard let left = left.ticket, let right = right.ticket else { return false }
    if left.level != right.level { return left.level < right.level }
    let isLate = (left: now >= left.delayNanoseconds, right: now >= right.delayNanoseconds)
    if isLate.left != isLate.right { return isLate.right }
    if left.user != right.user, let one = shareIndex(left), let other = shareIndex(right) {
      return shares[one].usedNanoseconds < shares[other].usedNanoseconds
    }
    return left.use.nanoseconds < right.use.nanoseconds
  }

  private mutating func served(_ index: Int) -> QueuedJob {
    if let ticket = jobs[index].ticket, let share = shareIndex(ticket) {
      clocks[ticket.level] = max(clocks[ticket.level], shares[share].usedNanoseconds)
      shares[share].clock = max(shares[share].clock, ticket.use.nanoseconds)
    }
    return take(at: index)
  }

  @discardableResult
  private mutating func take(at index: Int) -> QueuedJob {
    let job = jobs.remove(at: index)
    if let ticket = job.ticket, let share = shareIndex(ticket) { shares[share].waitingCount -= 1 }
    return job
  }

  /// A job has had so much of the worker's time.
  mutating func ran(_ job: QueuedJob, nanoseconds: Int64) {
    guard let ticket = job.ticket else { return }
    // Bounded, so that nothing overflows: some 18 minutes.
    let nanoseconds = min(1 << 40, max(0, nanoseconds))
    if let share = shareIndex(ticket) { shares[share].usedNanoseconds += nanoseconds }
    job.ticket?.use = ticket.use.adding(nanoseconds)
  }
}
