import Memory
import System

/// Requests that the budget refuses while models could still give something up: they wait for that, and go on.
extension Server {
  /// Where a connection goes on once there is room.
  enum RoomStage {
    /// Memory for the body.
    case preparing
    /// More memory for the body.
    case gathering
    /// The answer to a whole request.
    case dispatching
  }

  /// Lets a connection wait for room after a refusal. Returns whether it does; else the refusal stands.
  func waitsForRoom(_ connection: Connection, _ error: ServingError, _ stage: RoomStage) -> Bool {
    guard case .busyMemory(.doesNotFit(let needed, let available, _)) = error, connection.mayAskForRoom else {
      return false
    }
    let model = model(of: connection)
    guard needed - available <= residents.reclaimableByteCount(sparing: model) else { return false }
    let job = RoomJob(connection: connection.token, byteCount: needed, sparing: model, residents: residents)
    guard scheduler.submit(job, limit: Int.max, isFirst: true) else { return false }
    connection.wait(forRoom: job, stage)
    return true
  }

  /// The model that the connection's request means.
  func model(of connection: Connection) -> LoadedModel? {
    switch connection.route {
    case .infer(let reference), .predict(let reference), .generate(let reference, _): try? repository.model(reference)
    default: nil
    }
  }

  /// Goes on with who waited for room.
  func resume(after job: RoomJob) {
    job.giveBack()
    if job.connection == 0 {
      isMakingRoomForClients = false
      return acceptClients(isRetry: true)
    }
    guard let connection = connection(job.connection), connection.job === job, let stage = connection.endRoomWait()
    else {
      return
    }
    switch stage {
    case .preparing: prepare(connection)
    case .gathering: break
    case .dispatching: dispatch(connection)
    }
    advance(connection, mayReceive: true)
  }

  // MARK: Clients

  /// Memory for what the next client sends; nil where the budget refuses.
  func receiveMemory() -> Buffer? {
    if let memory = spareReceiveMemory {
      spareReceiveMemory = nil
      return memory
    }
    if let memory = try? Buffer(byteCount: ServingLimits.receiveBufferBytes, budget: budget) { return memory }
    residents.responses.trim()
    buffers.trim()
    return try? Buffer(byteCount: ServingLimits.receiveBufferBytes, budget: budget)
  }

  /// Lets clients wait in the queue of the socket until models have given up memory for some. Returns whether they do.
  func makesRoomForClients() -> Bool {
    let byteCount = ServingLimits.headroomByteCount(budget.limitByteCount)
    guard residents.reclaimableByteCount(sparing: nil) >= byteCount else { return false }
    let job = RoomJob(connection: 0, byteCount: byteCount, sparing: nil, residents: residents)
    guard scheduler.submit(job, limit: Int.max, isFirst: true) else { return false }
    isMakingRoomForClients = true
    return true
  }
}
