import CNghttp2
import GRPC
import System

/// Between clients that speak gRPC and the daemon: one thread, which waits for neither. Every call is an exchange with the daemon,
/// so that queues, batches, priorities, versions and the budget are the daemon's.
final class Gateway {
  let options: GatewayOptions
  let ledger: MessageLedger
  let poll: EventPoll
  private let signals: TerminationSignals
  private var listener: Socket?
  /// The claim to the path; as long as it is open no other gateway takes the path.
  private let claim: File
  var clients: [UInt64: Client] = [:]
  var daemons: [UInt64: DaemonConnection] = [:]
  /// Connections to the daemon without an exchange, the longest unused first.
  var idleDaemons: [DaemonConnection] = []
  /// Exchanges that wait for a connection, in the order they came.
  var waiting: [Exchange] = []
  /// Clients to which something may have to be sent.
  private var noted: [Client] = []
  private var nextToken: UInt64 = 16
  /// Not later than anything that is due.
  private var dueNanoseconds = Int64.max
  private var stopDeadlineNanoseconds: Int64?
  private var isAccepting = true
  /// For bytes on their way in and out.
  let space = UnsafeMutableRawBufferPointer.allocate(byteCount: Gateway.spaceByteCount, alignment: 16)
  let daemonSpace = UnsafeMutableRawBufferPointer.allocate(byteCount: Gateway.daemonSpaceByteCount, alignment: 16)
  let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: Gateway.spaceByteCount, alignment: 16)

  private static let spaceByteCount = 256 << 10
  private static let daemonSpaceByteCount = 64 << 10
  private static let listenerToken: UInt64 = 0
  private static let signalToken: UInt64 = 1
  /// Connections that one user leaves to others.
  private static let sparedConnectionCount = 8
  static let idleDaemonNanosecondsMax: Int64 = 5_000_000_000
  private static let acceptRetryNanoseconds: Int64 = 100_000_000

  init(_ options: GatewayOptions) throws(SystemError) {
    self.options = options
    ledger = MessageLedger(limitByteCount: options.memoryByteCount)
    signals = try TerminationSignals()
    poll = try EventPoll()
    claim = try Gateway.claim(options.socketPath)
    try Gateway.removeStaleSocket(options.socketPath)
    let listener = try Socket(listeningAt: options.socketPath, mode: options.socketMode)
    try poll.add(listener.descriptor, .readable, token: Gateway.listenerToken)
    try poll.add(signals.descriptor, .readable, token: Gateway.signalToken)
    self.listener = consume listener
  }

  deinit {
    for memory in [space, daemonSpace, scratch] { memory.deallocate() }
  }

  /// Errors: another gateway has the path.
  private static func claim(_ path: String) throws(SystemError) -> File {
    do throws(SystemError) { return try File(locking: path + ".lock") } catch {
      guard error.code == SystemError.wouldBlock else { throw error }
      throw SystemError("listen at", path, code: SystemError.addressInUse)
    }
  }

  /// Removes a socket's file that nobody listens at. Errors: somebody does, or something else is there.
  private static func removeStaleSocket(_ path: String) throws(SystemError) {
    do throws(SystemError) {
      guard try FileSystem.status(of: path).isSocket else {
        throw SystemError("listen at", path, code: SystemError.exists)
      }
      _ = try Socket(connectingAtOnceTo: path)
    } catch {
      if error.isNotFound { return }
      guard error.code == SystemError.connectionRefused else { throw error }
      return try FileSystem.remove(path)
    }
    throw SystemError("listen at", path, code: SystemError.addressInUse)
  }

  func makeToken() -> UInt64 {
    nextToken += 1
    return nextToken
  }

  /// Something has to be looked at then.
  func note(due: Int64) { dueNanoseconds = min(dueNanoseconds, due) }

  // MARK: The loop

  /// Serves until told to stop.
  func run() throws(SystemError) {
    while true {
      try poll.wait(timeoutMilliseconds: timeoutMilliseconds) { event in
        handle(event)
        settle()
      }
      let now = Clock.nowNanoseconds
      if now >= dueNanoseconds {
        expire(now)
        settle()
      }
      if let deadline = stopDeadlineNanoseconds, now >= deadline || clients.isEmpty { return }
    }
  }

  /// There may be something to send to a client. It is done once nothing else is: not while its bytes are being looked at.
  func note(_ client: Client) {
    guard !client.isNoted else { return }
    client.isNoted = true
    noted.append(client)
  }

  private func settle() {
    repeat {
      startWaiting()
      while let client = noted.popLast() {
        client.isNoted = false
        flush(client)
      }
    } while mayStart
  }

  private var timeoutMilliseconds: Int32 {
    guard dueNanoseconds < Int64.max else { return -1 }
    return Int32(min(max(0, dueNanoseconds - Clock.nowNanoseconds) / 1_000_000 + 1, 3_600_000))
  }

  private func handle(_ event: EventPoll.Event) {
    switch event.token {
    case Gateway.listenerToken: accept()
    case Gateway.signalToken: while signals.next() != nil { stop() }
    default:
      if let client = clients[event.token] { return handle(client, event.ready) }
      if let daemon = daemons[event.token] { handle(daemon, event.ready) }
    }
  }

  private func stop() {
    guard stopDeadlineNanoseconds == nil else {
      stopDeadlineNanoseconds = 0
      return
    }
    let deadline = Clock.nowNanoseconds + options.drainNanoseconds
    stopDeadlineNanoseconds = deadline
    note(due: deadline)
    try? FileSystem.remove(options.socketPath)
    listener = nil
    for client in Array(clients.values) {
      client.goAway()
      note(client)
    }
  }

  var isStopping: Bool { stopDeadlineNanoseconds != nil }

  private func expire(_ now: Int64) {
    dueNanoseconds = stopDeadlineNanoseconds ?? Int64.max
    if !isAccepting, !isStopping { accept() }
    for client in Array(clients.values) {
      if now >= client.sendDeadlineNanoseconds {
        close(client)
        continue
      }
      note(due: client.sendDeadlineNanoseconds)
      for call in Array(client.calls.values) {
        if now >= call.sendDeadlineNanoseconds {
          call.sendDeadlineNanoseconds = Int64.max
          client.reset(call, NGHTTP2_CANCEL)
          note(client)
        } else if now >= call.dueNanoseconds {
          finish(
            call,
            .init(
              .deadlineExceeded,
              call.intakeDeadlineNanoseconds <= now ? "the message did not come to its end" : "the deadline has passed")
          )
        }
        note(due: call.dueNanoseconds)
      }
    }
    while let daemon = idleDaemons.first {
      let due = daemon.idleSinceNanoseconds + Gateway.idleDaemonNanosecondsMax
      guard now >= due else {
        note(due: due)
        break
      }
      close(daemon)
    }
  }

  // MARK: Clients

  private func accept() {
    if !isAccepting { watchListener(true) }
    while true {
      do throws(SystemError) {
        guard let socket = try acceptOne() else { return }
        admit(socket)
      } catch {
        // Out of descriptors: the event would come again and again.
        if isAccepting { watchListener(false) }
        note(due: Clock.nowNanoseconds + Gateway.acceptRetryNanoseconds)
        return
      }
    }
  }

  private func watchListener(_ isWatched: Bool) {
    isAccepting = isWatched
    switch listener {
    case .some(let listener) where isWatched:
      isAccepting = (try? poll.add(listener.descriptor, .readable, token: Gateway.listenerToken)) != nil
    case .some(let listener): poll.remove(listener.descriptor)
    case .none: break
    }
  }

  private func acceptOne() throws(SystemError) -> Socket? {
    switch listener {
    case .some(let listener): return try listener.accept()
    case .none: return nil
    }
  }

  private func admit(_ socket: consuming Socket) {
    guard let user = socket.unixPeerUser else { return }
    if clients.count >= options.connectionsMax { closeLongestIdle() }
    let owned = clients.values.count { $0.user == user }
    guard clients.count < options.connectionsMax,
      user == 0 || owned < max(1, options.connectionsMax - Gateway.sparedConnectionCount),
      let client = Client(token: makeToken(), socket: socket, user: user, gateway: self)
    else { return }
    guard (try? poll.add(client.socket.descriptor, .readable, token: client.token)) != nil else { return }
    clients[client.token] = client
    note(client)
  }

  private func closeLongestIdle() {
    let idle = clients.values.filter { $0.isIdle }
    guard let client = idle.min(by: { $0.lastActiveNanoseconds < $1.lastActiveNanoseconds }) else { return }
    close(client)
  }

  private func handle(_ client: Client, _ ready: EventPoll.Interest) {
    if !ready.isDisjoint(with: .failed) { return close(client) }
    var isGood = true
    if ready.contains(.readable), !client.hasUnsent { isGood = client.receive(space) }
    guard isGood else {
      // The library has said why.
      try? client.flush(scratch)
      return close(client)
    }
    note(client)
  }

  /// Sends what a client is to have, and goes on with the calls that have been waiting for that.
  private func flush(_ client: Client) {
    guard !client.isClosed else { return }
    do throws(SystemError) {
      repeat {
        try client.flush(scratch)
        let ready = client.ready
        client.ready = []
        if ready.isEmpty { break }
        for call in ready where !call.isOver { goOn(call) }
      } while !client.isClosed
    } catch {
      return close(client)
    }
    if client.isOver || isStopping && client.isIdle { return close(client) }
    // Who does not read is not heard either: what it could ask for would only have to be remembered.
    watch(client, client.hasUnsent ? .writable : .readable)
  }

  private func watch(_ client: Client, _ interest: EventPoll.Interest) {
    guard client.interest != interest else { return }
    client.interest = interest
    if (try? poll.change(client.socket.descriptor, interest, token: client.token)) == nil { close(client) }
  }

  func close(_ client: Client) {
    guard clients.removeValue(forKey: client.token) != nil else { return }
    poll.remove(client.socket.descriptor)
    for call in Array(client.calls.values) { drop(call) }
    client.close()
  }
}
