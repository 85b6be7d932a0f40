import System

/// The server as a service: what started it is told how it is doing, and it goes when nobody needs it.
extension Server {
  /// The server takes requests, or does so again.
  func tellReady() {
    service.tell(
      "READY=1",
      status: "serving \(repository.loadedModels.count) of \(repository.entries.count) models; \(log.budget(budget))")
  }

  // MARK: Exit when idle

  /// When the server has been idle for so long that it goes; never while a client waits or shares memory with it.
  var idleExitDueNanoseconds: Int64 {
    guard let nanoseconds = configuration.idleExitNanoseconds, !isStopping, regions.count == 0 else { return Int64.max }
    for case let connection? in connections where !connection.isIdle { return Int64.max }
    return lastUseNanoseconds + nanoseconds
  }

  func goIfIdle(_ now: Int64) {
    guard now >= idleExitDueNanoseconds else { return }
    log.line("nobody has asked for long enough")
    beginStopping()
  }

  // MARK: SIGHUP

  /// Reads power profiles and model configurations again, as a whole or not at all.
  func beginReloading() {
    guard !isStopping else { return }
    guard !isReloading else {
      wantsReload = true
      return
    }
    service.tell(
      "RELOADING=1\nMONOTONIC_USEC=\(Clock.nowNanoseconds / 1000)", status: "reading the configuration again")
    buffers.trim()
    let entries = repository.entries.filter { !$0.loaded.isEmpty }
    isReloading = scheduler.submit(ReloadJob(entries, loader: loader), limit: Int.max)
    guard isReloading else { return }
    for entry in entries { repository.beginLoad(entry.name) }
  }

  func finishReloading(_ failure: String?) {
    isReloading = false
    log.line(
      failure.map { "nothing is changed: \($0)" } ?? "the configuration has been read again",
      failure == nil ? .information : .error)
    if let failure {
      service.tell("READY=1", status: "the last reload changed nothing: \(failure)")
    } else {
      tellReady()
    }
    guard wantsReload else { return }
    wantsReload = false
    beginReloading()
  }
}
