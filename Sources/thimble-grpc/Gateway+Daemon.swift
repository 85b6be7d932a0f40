import GRPC
import System

/// Connections to the daemon.
extension Gateway {
  /// Of an answer in parts, how much may wait to be sent before the daemon waits too.
  private static let waitingByteCountMax = 256 << 10

  /// Starts an exchange, or lets it wait for a connection.
  func start(_ exchange: Exchange) {
    if let connection = idleDaemons.popLast() { return begin(exchange, connection) }
    guard daemons.count < options.daemonConnectionsMax else { return waiting.append(exchange) }
    connect(exchange)
  }

  private func connect(_ exchange: Exchange) {
    do throws(SystemError) {
      let connection = try DaemonConnection(path: options.serverPath, token: makeToken(), ledger: ledger)
      try poll.add(connection.descriptor, .readable, token: connection.token)
      daemons[connection.token] = connection
      begin(exchange, connection)
    } catch {
      unreachable(exchange, error)
    }
  }

  /// Whoever asks only how the daemon is has the answer.
  private func unreachable(_ exchange: Exchange, _ error: SystemError) {
    let call = exchange.call
    call.exchange = nil
    switch call.method {
    case .serverLive?, .serverReady?, .healthCheck?: answerNotReady(call)
    default:
      fail(
        call, .init(.unavailable, "the daemon does not answer: \(error.message)"),
        id: exchange.request.inference?.id ?? "")
    }
  }

  private func begin(_ exchange: Exchange, _ connection: DaemonConnection) {
    exchange.connection = connection
    connection.begin(exchange)
    // Where the daemon has hung up it may have answered first.
    if (try? connection.send()) == nil { return handle(connection, .readable) }
    watch(connection)
  }

  private func watch(_ connection: DaemonConnection) {
    var interest: EventPoll.Interest = isHeldBack(connection) ? [] : .readable
    if !connection.outgoing.isEmpty { interest.insert(.writable) }
    guard connection.interest != interest else { return }
    connection.interest = interest
    if (try? poll.change(connection.descriptor, interest, token: connection.token)) == nil { broken(connection) }
  }

  private func isHeldBack(_ connection: DaemonConnection) -> Bool {
    (connection.exchange?.call.outgoing.byteCount ?? 0) > Gateway.waitingByteCountMax
  }

  func handle(_ connection: DaemonConnection, _ ready: EventPoll.Interest) {
    if ready.contains(.writable) { try? connection.send() }
    while daemons[connection.token] === connection {
      if isHeldBack(connection) { return watch(connection) }
      switch connection.receive(daemonSpace) {
      case .needMore:
        // A daemon that has gone while a request was being sent has said all.
        return ready.isDisjoint(with: .failed) ? watch(connection) : broken(connection)
      case .closed: return broken(connection)
      case .failed(let error): return fail(connection, error)
      case .event(let event):
        guard let exchange = connection.exchange else { return close(connection) }
        do throws(CallError) { try answered(exchange, event: event) } catch { return fail(connection, error) }
      case .complete: return complete(connection)
      }
    }
  }

  private func complete(_ connection: DaemonConnection) {
    guard let exchange = connection.exchange else { return close(connection) }
    exchange.connection = nil
    answered(exchange, connection)
    if connection.end() {
      idleDaemons.append(connection)
      note(due: connection.idleSinceNanoseconds + Gateway.idleDaemonNanosecondsMax)
      watch(connection)
    } else {
      close(connection)
    }
  }

  private func fail(_ connection: DaemonConnection, _ error: CallError) {
    let exchange = connection.exchange
    exchange?.connection = nil
    close(connection)
    guard let call = exchange?.call else { return }
    call.exchange = nil
    fail(call, error, id: exchange?.request.inference?.id ?? "")
  }

  /// The daemon has hung up. A connection that it had closed meanwhile is no reason to fail.
  private func broken(_ connection: DaemonConnection) {
    guard let exchange = connection.exchange, connection.isReused, !connection.hasHeard, !exchange.isRetry else {
      return fail(connection, .init(.unavailable, "the daemon has hung up: try again later"))
    }
    exchange.connection = nil
    exchange.isRetry = true
    close(connection)
    for idle in idleDaemons { close(idle) }
    connect(exchange)
  }

  func close(_ connection: DaemonConnection) {
    guard daemons.removeValue(forKey: connection.token) != nil else { return }
    poll.remove(connection.descriptor)
    idleDaemons.removeAll { $0 === connection }
  }

  var mayStart: Bool { !waiting.isEmpty && (!idleDaemons.isEmpty || daemons.count < options.daemonConnectionsMax) }

  /// Connections have become free: they go to the users who have the fewest, of one user to who has waited longest.
  func startWaiting() {
    while mayStart {
      var counts: [UInt32: Int] = [:]
      for connection in daemons.values {
        if let user = connection.exchange?.call.client.user { counts[user, default: 0] += 1 }
      }
      var best = 0
      for index in waiting.indices
      where counts[waiting[index].call.client.user, default: 0] < counts[waiting[best].call.client.user, default: 0] {
        best = index
      }
      start(waiting.remove(at: best))
    }
  }
}
