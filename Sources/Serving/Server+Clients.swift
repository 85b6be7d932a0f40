import Memory
import Protocols
import Runtime
import System

/// What the policy of clients allows.
extension Server {
  /// Reads the file again; without one everybody may all. Errors: what is wrong with it.
  func readPolicy() throws(ServingError) -> ClientPolicy? {
    try configuration.clientsFile.map { (path) throws(ServingError) in try ClientPolicy(path: path) }
  }

  /// Errors: the request is of a kind that its client may not ask.
  func checkAccess(_ connection: Connection) throws(ServingError) {
    guard let policy, let category = connection.route.category else { return }
    guard policy.mayUse(category, connection.policyPeer) else { throw .restricted(category) }
  }

  /// Errors: with `more` bytes the client's requests take more than it may have.
  func checkMemory(_ connection: Connection, adding more: Int) throws(ServingError) {
    guard let policy else { return }
    let limit = policy.terms(of: connection.policyPeer).byteCountMax
    guard limit < Int.max else { return }
    let user = connection.socketUser
    var held = regions.byteCount(of: user)
    for case let other? in connections where other !== connection && other.socketUser == user {
      held += other.body?.buffer.bytes.count ?? 0
    }
    let (sum, overflow) = held.addingReportingOverflow(more)
    guard !overflow, sum <= limit else { throw .clientMemory(limit: limit, heldByteCount: held) }
  }

  /// Puts a job where its client's terms have it. Returns how many of the client's may wait.
  func heedTerms(_ job: InferenceJob, of connection: Connection) -> Int {
    job.ticket?.user = connection.socketUser
    let limit = configuration.limits.userRequestsMax
    guard let policy else { return limit }
    let terms = policy.terms(of: connection.policyPeer)
    if let level = job.ticket?.level { job.ticket?.level = max(level, terms.highestLevel) }
    if terms.cpuSharePercent > 0 {
      job.ticket?.cpuSharePercent = terms.cpuSharePercent
      job.earliestNanoseconds = max(job.earliestNanoseconds, cpuShares.dueNanoseconds(connection.socketUser))
    }
    return min(limit, terms.requestsMax)
  }

  /// An inference has had so much of the cores.
  func charge(_ job: InferenceJob, coreNanoseconds: Int64) {
    clients.add(job.ticket?.user, coreNanoseconds: coreNanoseconds)
    guard let ticket = job.ticket, ticket.cpuSharePercent > 0 else { return }
    cpuShares.add(
      ticket.user, coreNanoseconds: coreNanoseconds, percent: ticket.cpuSharePercent,
      threadCount: residents.pool.threadCount, now: Clock.nowNanoseconds)
  }
}
