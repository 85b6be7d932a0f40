import System

/// Loads that nobody waits for, and that failed for a reason which may pass.
extension Server {
  /// Loads a model on nobody's request.
  func reload(_ name: String) {
    guard let entry = try? repository.entry(name) else { return }
    let job = LoadJob(
      connection: 0, name: name, loader: loader, configuration: nil, configurationMemory: nil, entry: entry)
    guard scheduler.submit(job, limit: Int.max) else { return }
    repository.beginLoad(name)
  }

  /// Decides whether a load is tried again. `isWanted`: no client has been told that it failed.
  func retryLater(_ name: String, _ failure: ServingError?, isWanted: Bool) {
    guard let index = repository.index(of: name) else { return }
    repository.entries[index].retryDueNanoseconds = Int64.max
    guard let failure, failure.mayPass, isWanted else {
      repository.entries[index].retryCount = 0
      return
    }
    let count = repository.entries[index].retryCount
    guard count < ServingLimits.loadRetriesMax else { return }
    let first = Int64(configuration.limits.loadRetryMilliseconds) * 1_000_000
    let delay = min(ServingLimits.loadRetryNanosecondsMax, first << Int64(count))
    repository.entries[index].retryCount = count + 1
    let due = Clock.nowNanoseconds + delay
    repository.entries[index].retryDueNanoseconds = due
    retryDueNanoseconds = min(retryDueNanoseconds, due)
    log.line("model \(name) is tried again in \(delay / 1_000_000) ms", .warning, of: Log.Subject(model: name))
  }

  func retryLoads(_ now: Int64) {
    guard now >= retryDueNanoseconds else { return }
    for entry in repository.entries where now >= entry.retryDueNanoseconds {
      if let index = repository.index(of: entry.name) { repository.entries[index].retryDueNanoseconds = Int64.max }
      reload(entry.name)
    }
    retryDueNanoseconds = repository.entries.reduce(Int64.max) { min($0, $1.retryDueNanoseconds) }
  }
}
