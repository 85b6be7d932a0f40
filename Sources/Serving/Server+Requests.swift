import Memory
import Protocols
import System

extension Server {
  /// A head has come: decides what becomes of the body, before anything of it is kept.
  func begin(_ connection: Connection) {
    guard let head = connection.head else { return }
    let isInference = if case .infer = connection.route { true } else { false }
    do throws(ServingError) {
      let limit = isInference ? configuration.limits.bodyBytesMax : ServingLimits.controlBodyBytesMax
      if try connection.beginBody(bytesMax: limit) { return dispatch(connection) }
      do throws(ServingError) { try prepareBody(connection, head) } catch {
        // Who waits for `100 Continue` is answered at once. Others send anyway: what they send is thrown away, so that
        // the connection stays usable.
        if head.expectsContinue { throw error }
        return connection.refuseAfterBody(error)
      }
      if head.expectsContinue { sendContinue(connection) }
    } catch {
      connection.send(Answer(error), keepsAlive: false, lingers: true)
    }
  }

  private func prepareBody(_ connection: Connection, _ head: HTTPRequestHead) throws(ServingError) {
    switch connection.route {
    case .infer(let reference): _ = try repository.model(reference)
    case .repositoryIndex, .repositoryLoad, .repositoryUnload: break
    case .methodNotAllowed(let allow): throw .methodNotAllowed(allow: allow)
    case .notFound: throw .noSuchPath
    default: return  // a GET's body means nothing
    }
    var capacity = ServingLimits.chunkedBodyBytesFirst
    if case .bytes(let count) = head.body { capacity = count }
    let body: RequestBody
    do { body = try RequestBody(capacity: capacity, pool: buffers) } catch { throw buffers.refusal(error) }
    connection.keepBody(body)
  }

  private func sendContinue(_ connection: Connection) {
    let line = HTTPResponseHead.continueLine
    let bytes = UnsafeRawBufferPointer(start: line.utf8Start, count: line.utf8CodeUnitCount)
    let sent = try? connection.socket.send([bytes])
    if sent != bytes.count { close(connection) }
  }

  /// A request has come to its end: answers it, or hands it to the worker.
  func dispatch(_ connection: Connection) {
    do throws(ServingError) {
      if let refusal = connection.refusal { throw refusal }
      if case .infer(let reference) = connection.route { return try infer(connection, reference) }
      guard let answer = try answer(connection) else { return }
      send(answer, to: connection)
    } catch {
      send(Answer(error), to: connection)
    }
  }

  private func send(_ answer: Answer, to connection: Connection) {
    connection.send(answer, keepsAlive: !isStopping)
  }

  /// The answer to what needs no inference; nil where the worker has been asked.
  private func answer(_ connection: Connection) throws(ServingError) -> Answer? {
    switch connection.route {
    case .live: return Answer(bytes: ServerHealth(isLive: true).jsonBytes)
    case .ready:
      guard !isStopping else { throw .stopping }
      return Answer(bytes: ServerHealth(isLive: true, isReady: true).jsonBytes)
    case .serverMetadata: return Answer(bytes: metadata.jsonBytes)
    case .modelList: return try hold(ModelList(models: repository.entries.map { $0.name }).jsonBytes)
    case .modelMetadata(let reference): return try hold(metadata(of: try repository.model(reference)).jsonBytes)
    case .modelReady(let reference):
      let model = try repository.model(reference)
      return Answer(bytes: ModelReadiness(name: model.name, isReady: true).jsonBytes)
    case .modelConfiguration(let reference):
      return try hold(ConfigurationDocument(model: try repository.model(reference)).jsonBytes)
    case .statistics(let reference): return try hold(try statistics(reference).jsonBytes)
    case .metrics: return try hold(metricsPage(), contentType: HTTPResponseHead.metricsText)
    case .repositoryIndex:
      let request = try repositoryRequest(connection)
      try repository.scan()
      return try hold(repository.index(isReadyOnly: request.isReadyOnly).jsonBytes)
    case .repositoryLoad(let name): try load(name, try repositoryRequest(connection), for: connection)
    case .repositoryUnload(let name): try unload(name, for: connection)
    case .methodNotAllowed(let allow): throw .methodNotAllowed(allow: allow)
    case .notFound, .infer: throw .noSuchPath
    }
    return nil
  }

  /// An answer whose bytes are counted until they are sent; short ones are part of the heap's allowance.
  private func hold(
    _ bytes: [UInt8], contentType: String = HTTPResponseHead.json
  ) throws(ServingError) -> Answer {
    guard bytes.count > ServingLimits.unreservedBytesMax else { return Answer(contentType: contentType, bytes: bytes) }
    do throws(MemoryError) {
      return Answer(contentType: contentType, bytes: bytes, held: try buffers.reserve(bytes.capacity))
    } catch {
      throw buffers.refusal(error)
    }
  }

  // MARK: Jobs

  private func infer(_ connection: Connection, _ reference: ModelReference) throws(ServingError) {
    let model = try repository.model(reference)
    guard let body = connection.takeBodyMemory() else {
      throw .malformed(.fieldMissing(field: "inputs", owner: "request"))
    }
    let job = InferenceJob(
      connection: connection.token, model: model, metrics: metrics(of: model), body: body,
      headerContentLength: connection.head?.inferenceHeaderContentLength, buffers: buffers)
    do throws(ServingError) {
      try job.prepare()
      let limit = configuration.limits.queuedRequestsMax
      guard scheduler.submit(job, limit: limit) else { throw .queueFull(limit: limit) }
    } catch {
      return send(job.refused(error), to: connection)
    }
    connection.wait(for: job)
  }

  /// A job's deadline has passed: it is answered at once if it has not been started.
  func expire(_ job: QueuedJob, of connection: Connection) {
    guard let inference = job as? InferenceJob, scheduler.withdraw(job) else {
      job.deadlineNanoseconds = Int64.max
      return
    }
    send(inference.refused(inference.tooLate), to: connection)
    advance(connection, mayReceive: false)
  }

  /// The worker is done with a job.
  func finish(_ job: QueuedJob) {
    let answer = job.finish(self)
    guard let connection = connection(job.connection), connection.job === job else { return }
    send(answer, to: connection)
    advance(connection, mayReceive: false)
  }

  // MARK: The repository

  private func repositoryRequest(_ connection: Connection) throws(ServingError) -> RepositoryRequest {
    guard let body = connection.takeBodyMemory() else { return RepositoryRequest() }
    do { return try RepositoryRequest(parsing: body.bytes) } catch { throw .malformed(error) }
  }

  private func load(_ name: String, _ request: RepositoryRequest, for connection: Connection) throws(ServingError) {
    let entry = try repository.entry(name)
    buffers.trim()
    let job = LoadJob(
      connection: connection.token, name: name, loader: loader, configuration: request.configuration,
      current: entry.loaded)
    try submitControl(job)
    repository.beginLoad(name)
    connection.wait(for: job)
  }

  private func unload(_ name: String, for connection: Connection) throws(ServingError) {
    _ = try repository.entry(name)
    buffers.trim()
    let job = UnloadJob(connection: connection.token, name: name, models: repository.loaded(name))
    try submitControl(job)
    repository.unload(name)
    connection.wait(for: job)
  }

  /// Loads and unloads have room of their own, so that a full queue can still be helped.
  private func submitControl(_ job: QueuedJob) throws(ServingError) {
    let limit = configuration.limits.queuedRequestsMax + configuration.limits.connectionsMax
    guard scheduler.submit(job, limit: limit) else { throw .queueFull(limit: limit) }
  }
}
