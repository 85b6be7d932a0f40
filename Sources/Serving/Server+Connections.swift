import Memory
import Protocols
import System

extension Server {
  /// Any thread may ask.
  var connectionCount: Int { Int(openConnections.load()) }

  // MARK: Coming and going

  /// `isRetry`: models have given up memory for clients, or have none to give.
  func acceptClients(isRetry: Bool = false) {
    guard let listener, !isMakingRoomForClients else { return }
    do throws(SystemError) {
      while true {
        let memory = receiveMemory()
        if memory == nil, !isRetry, makesRoomForClients() { return stopAccepting() }
        guard let socket = try listener.accept() else {
          spareReceiveMemory = memory
          break
        }
        admit(socket, memory)
      }
      resumeAccepting()
    } catch {
      // Out of descriptors or memory: a closed connection gives some back, or another program. Until then the event would come
      // again and again.
      if acceptDueNanoseconds == Int64.max { log.line("cannot accept a client: \(error.message)", .warning) }
      stopAccepting()
      acceptDueNanoseconds = Clock.nowNanoseconds + ServingLimits.acceptRetryNanoseconds
    }
  }

  private func stopAccepting() {
    if isAccepting { listener?.unwatch(poll) }
    isAccepting = false
  }

  private func resumeAccepting() {
    guard !isAccepting, !isMakingRoomForClients, let listener else { return }
    isAccepting = (try? listener.watch(poll, token: Server.listenerToken)) != nil
    if !isAccepting { listener.unwatch(poll) }
    acceptDueNanoseconds =
      isAccepting ? Int64.max : Clock.nowNanoseconds + ServingLimits.acceptRetryNanoseconds
  }

  private func admit(_ socket: consuming Socket, _ memory: Buffer?) {
    if freeSlots.isEmpty { closeLongestIdle() }
    guard let memory, let slot = freeSlots.popLast() else {
      let refusal =
        memory == nil
        ? ServingError.busyMemory(
          .doesNotFit(
            needed: ServingLimits.receiveBufferBytes, available: budget.availableByteCount,
            leastBudget: budget.reservedByteCount + ServingLimits.receiveBufferBytes))
        : ServingError.tooManyConnections(limit: configuration.limits.connectionsMax)
      var outgoing = OutgoingAnswer(Answer(refusal), keepsAlive: false, leavesBodyOut: false)
      _ = try? outgoing.send(to: socket)
      return
    }
    let token = Server.firstConnectionToken + acceptedCount * UInt64(connections.count) + UInt64(slot)
    acceptedCount += 1
    lastUseNanoseconds = Clock.nowNanoseconds
    let connection = Connection(
      token: token, slot: slot, socket: socket, memory: memory,
      transferMilliseconds: configuration.limits.transferMilliseconds)
    do throws(SystemError) {
      try poll.add(connection.socket.descriptor, connection.interest, token: token)
      connections[slot] = connection
      openConnections.add(1)
    } catch {
      freeSlots.append(slot)
    }
  }

  private func closeLongestIdle() {
    var longest: Connection?
    for case let connection? in connections where connection.isIdle {
      if let found = longest, found.lastActiveNanoseconds <= connection.lastActiveNanoseconds { continue }
      longest = connection
    }
    guard let longest, Clock.nowNanoseconds - longest.lastActiveNanoseconds >= ServingLimits.idleNanosecondsMin else {
      return
    }
    close(longest)
  }

  func connection(_ token: UInt64) -> Connection? {
    guard token >= Server.firstConnectionToken else { return nil }
    let slot = Int((token - Server.firstConnectionToken) % UInt64(connections.count))
    guard let connection = connections[slot], connection.token == token else { return nil }
    return connection
  }

  func close(_ connection: Connection) {
    guard connections[connection.slot] === connection else { return }
    // A run under way may still read the stream's memory: it is not handed to anybody.
    connection.stream = nil
    // Nobody waits for an inference any more. One that runs already stops and finds no connection; loads and unloads finish,
    // which the repository counts on.
    connection.hangup.store(1)
    if let job = connection.job as? InferenceJob, scheduler.withdraw(job) { job.dropped() }
    if let job = connection.job as? RoomJob { _ = scheduler.withdraw(job) }
    poll.remove(connection.socket.descriptor)
    regions.close(connection.token)
    residents.sequences.close(connection.token)
    connections[connection.slot] = nil
    freeSlots.append(connection.slot)
    openConnections.add(UInt32.max)
    spareReceiveMemory = spareReceiveMemory ?? connection.memory
    resumeAccepting()
  }

  // MARK: Events

  func handleConnection(_ event: EventPoll.Event) {
    guard let connection = connection(event.token) else { return }
    // Both directions are shut: nobody reads an answer.
    if !event.ready.isDisjoint(with: .failed) { return close(connection) }
    if connection.phase == .waiting {
      // More requests wait their turn in the socket.
      return watch(connection, [])
    }
    advance(connection, mayReceive: event.ready.contains(.readable))
  }

  private func watch(_ connection: Connection, _ interest: EventPoll.Interest) {
    guard connection.interest != interest else { return }
    connection.interest = interest
    do throws(SystemError) {
      try poll.change(connection.socket.descriptor, interest, token: connection.token)
    } catch {
      close(connection)
    }
  }

  /// Goes on with a connection until it has to wait: for bytes, for room to send, or for a job.
  func advance(_ connection: Connection, mayReceive: Bool) {
    var turnBytes = ServingLimits.turnBytesMax
    var mayReceive = mayReceive
    while connections[connection.slot] === connection {
      switch connection.phase {
      case .head, .body, .lingering:
        if step(connection) { continue }
        guard connections[connection.slot] === connection else { return }
        guard mayReceive, turnBytes > 0 else { return watch(connection, .readable) }
        let received = receive(connection)
        turnBytes -= received.count
        mayReceive = !received.isAll
      case .sending:
        switch flush(connection) {
        case .complete: break
        case .needMore: return watch(connection, .writable)
        case .failed: return close(connection)
        }
      case .waiting: return
      }
    }
  }

  /// Returns whether there may be more to do with the bytes that are there.
  private func step(_ connection: Connection) -> Bool {
    switch connection.phase {
    case .head:
      switch connection.parseHead() {
      case .needMore: return false
      case .complete: begin(connection)
      case .failed(let error): refuse(connection, error)
      }
      return true
    case .body:
      switch connection.takeBody(itemBytesMax: configuration.limits.bodyBytesMax) {
      case .needMore: return false
      case .complete: dispatch(connection)
      case .failed(let error): refuse(connection, error)
      }
      return connection.phase != .waiting
    default:
      connection.discardReceived()
      return false
    }
  }

  /// Answers in the middle of a request, of which the rest is not understood any more.
  private func refuse(_ connection: Connection, _ error: ServingError) {
    let error =
      if case .memory(let memory) = error {
        residents.refusal(memory, sparing: model(of: connection), holding: connection.body?.buffer.bytes.count ?? 0)
      } else {
        error
      }
    if connection.stream != nil { return deliver(Answer(error), to: connection) }
    if waitsForRoom(connection, error, .gathering) { return }
    connection.send(Answer(error), keepsAlive: false, lingers: true)
  }

  /// Receives once; the connection is closed where the peer has ended.
  private func receive(_ connection: Connection) -> Connection.Received {
    do throws(SystemError) {
      guard let received = try connection.receive() else { return .init(count: 0, isAll: true) }
      if received.count == 0 { close(connection) }
      return received
    } catch {
      close(connection)
      return .init(count: 0, isAll: true)
    }
  }

  private func flush(_ connection: Connection) -> Connection.Progress {
    do throws(SystemError) {
      guard try connection.flush() else { return .needMore }
    } catch {
      return .failed(.system(error))
    }
    if let stream = connection.stream {
      if !stream.isOver {
        connection.finishEvent(buffers)
        goOn(connection, stream)
        return .complete
      }
      end(connection)
    }
    if !connection.finishExchange(buffers) || isStopping && connection.isIdle { close(connection) }
    return .complete
  }
}
