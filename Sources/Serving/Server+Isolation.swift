import System

/// What the server gives up once it has all that it needs.
extension Server {
  /// Gives the socket and itself to another user, and gives up system calls. Errors: the user cannot be taken. A kernel without
  /// such filters is no error: the log says so.
  func isolate() throws(ServingError) {
    if let user = configuration.user {
      do throws(SystemError) {
        if let listener, !listener.path.isEmpty, configuration.service.listeningDescriptor == nil {
          try Isolation.give(listener.path, to: user)
        }
        try Isolation.become(user)
        self.user = user
      } catch {
        throw .system(error)
      }
    }
    guard configuration.filtersCalls else { return }
    do throws(SystemError) { try Isolation.filterCalls() } catch {
      log.line("system calls are not filtered: \(error.message)", .warning)
      return
    }
    areCallsFiltered = true
  }

  /// Says something to whoever reads the log.
  public func note(_ line: String) { log.line(line, .warning) }
}
