import Memory
import Protocols
import System

extension Server {
  /// A head has come: decides what becomes of the body, before anything of it is kept.
  func begin(_ connection: Connection) {
    if beginItems(connection) { return }
    let limit =
      switch connection.route {
      case .infer, .predict, .generate: configuration.limits.bodyBytesMax
      // Its texts need no reservation.
      case .plan, .sharedMemory, .logging, .traceSetting: ServingLimits.unreservedBytesMax
      default: ServingLimits.controlBodyBytesMax
      }
    do throws(ServingError) {
      if try connection.beginBody(bytesMax: limit) { return dispatch(connection) }
    } catch {
      return connection.send(Answer(error), keepsAlive: false, lingers: true)
    }
    prepare(connection)
  }

  /// Finds memory for the body.
  func prepare(_ connection: Connection) {
    guard let head = connection.head else { return }
    do throws(ServingError) {
      try prepareBody(connection, head)
      if head.expectsContinue { sendContinue(connection) }
    } catch {
      if waitsForRoom(connection, error, .preparing) { return }
      // Who waits for `100 Continue` is answered at once. Others send anyway: what they send is thrown away, so that the
      // connection stays usable.
      if head.expectsContinue { return connection.send(Answer(error), keepsAlive: false, lingers: true) }
      connection.refuseAfterBody(error)
    }
  }

  private func prepareBody(_ connection: Connection, _ head: HTTPRequestHead) throws(ServingError) {
    try checkAccess(connection)
    var model: LoadedModel?
    switch connection.route {
    case .infer(let reference), .predict(let reference), .generate(let reference, _):
      model = try repository.model(reference)
      try checkPressure()
    case .repositoryIndex, .repositoryLoad, .repositoryUnload, .plan, .sharedMemory, .logging(isChange: true),
      .traceSetting(_, isChange: true):
      break
    case .methodNotAllowed(let allow): throw .methodNotAllowed(allow: allow)
    case .notFound: throw .noSuchPath
    default: return  // a GET's body means nothing
    }
    var capacity = ServingLimits.chunkedBodyBytesFirst
    if case .bytes(let count) = head.body { capacity = count }
    try checkMemory(connection, adding: capacity)
    let body: RequestBody
    do { body = try RequestBody(capacity: capacity, pool: buffers) } catch {
      throw residents.refusal(error, sparing: model)
    }
    connection.keepBody(body)
  }

  func sendContinue(_ connection: Connection) {
    let line = HTTPResponseHead.continueLine
    let bytes = UnsafeRawBufferPointer(start: line.utf8Start, count: line.utf8CodeUnitCount)
    let sent = try? connection.socket.send([bytes])
    if sent != bytes.count { close(connection) }
  }

  /// A request has come to its end: answers it, or hands it to the worker.
  func dispatch(_ connection: Connection) {
    lastUseNanoseconds = Clock.nowNanoseconds
    do throws(ServingError) {
      if let stream = connection.stream { return dispatchItem(connection, stream) }
      if let refusal = connection.refusal { throw refusal }
      try checkAccess(connection)
      switch connection.route {
      case .infer(let reference): return try infer(connection, reference)
      case .predict(let reference): return try infer(connection, reference, isPrediction: true)
      case .generate(let reference, let isStream): return try generate(connection, reference, sendsAll: isStream)
      default: break
      }
      guard let answer = try answer(connection) else { return }
      send(answer, to: connection)
    } catch {
      if waitsForRoom(connection, error, .dispatching) { return }
      send(Answer(error), to: connection)
    }
  }

  func send(_ answer: Answer, to connection: Connection) {
    connection.send(answer, keepsAlive: !isStopping)
  }

  /// The answer to what needs no inference; nil where the worker has been asked.
  private func answer(_ connection: Connection) throws(ServingError) -> Answer? {
    switch connection.route {
    case .live: return Answer(bytes: ServerHealth(isLive: true).jsonBytes)
    case .ready:
      guard !isStopping else { throw .stopping }
      try checkPressure()
      return Answer(bytes: ServerHealth(isLive: true, isReady: true).jsonBytes)
    case .serverMetadata: return Answer(bytes: metadata.jsonBytes)
    case .modelList:
      let list = ModelList(models: repository.entries.map { $0.name })
      return try hold(list.jsonBytesMax) { list.write(to: &$0) }
    case .modelMetadata(let reference):
      let metadata = metadata(of: try repository.model(reference))
      return try hold(metadata.jsonBytesMax) { metadata.write(to: &$0) }
    case .modelStatus(let reference):
      let status = try repository.status(reference)
      return try hold(status.jsonBytesMax) { status.write(to: &$0) }
    case .modelSignature(let reference):
      let model = try repository.model(reference)
      var signature = TensorSignature(metadata(of: model))
      signature.metadata.versions = ["\(model.version)"]
      return try hold(signature.jsonBytesMax) { signature.write(to: &$0) }
    case .modelReady(let reference):
      let model = try repository.model(reference)
      try model.checkReadiness()
      try checkMembers(of: model)
      return Answer(bytes: ModelReadiness(name: model.name, isReady: true).jsonBytes)
    case .modelConfiguration(let reference):
      let model = try repository.model(reference)
      let selection = repository.index(of: model.name).flatMap { repository.entries[$0].selection }
      let document = ConfigurationDocument(model: model, selection: selection ?? model.configuration.selection)
      return try hold(document.jsonBytesMax) { document.write(to: &$0) }
    case .statistics(let reference):
      let statistics = try statistics(reference)
      return try hold(statistics.jsonBytesMax) { statistics.write(to: &$0) }
    case .metrics: return try metricsPage()
    case .governor:
      guard let power else { throw .noSuchPath }
      let document = GovernorDocument(power, energy(power), clients)
      return try hold(document.jsonBytesMax) { document.write(to: &$0) }
    case .sharedMemory(let kind, let action): return try sharedMemory(connection, kind, action)
    case .residents:
      let document = residentsDocument
      return try hold(document.jsonBytesMax) { document.write(to: &$0) }
    case .repositoryIndex:
      let isReadyOnly = try repositoryRequest(connection).request.isReadyOnly
      try repository.scan()
      return try hold(repository.indexBytesMax(isReadyOnly: isReadyOnly)) {
        repository.index(isReadyOnly: isReadyOnly).write(to: &$0)
      }
    case .repositoryLoad(let name): try load(name, for: connection)
    case .repositoryUnload(let name): try unload(name, for: connection)
    case .plan: try plan(for: connection)
    case .logging(let isChange): return try logging(connection, isChange: isChange)
    case .traceSetting(let model, let isChange): return try traceSetting(connection, model, isChange: isChange)
    case .trace: return try traceAnswer()
    case .activity: return try activity()
    case .methodNotAllowed(let allow): throw .methodNotAllowed(allow: allow)
    case .notFound, .infer, .predict, .generate: throw .noSuchPath
    }
    return nil
  }

  /// A document of at most `byteCountMax` bytes, reserved before it is written and until it is sent.
  func hold(
    _ byteCountMax: Int, _ write: (inout JSONWriter) -> Void
  ) throws(ServingError) -> Answer {
    let held = try heldMemory(byteCountMax)
    var writer = JSONWriter()
    writer.bytes.reserveCapacity(byteCountMax)
    write(&writer)
    assert(writer.bytes.count <= byteCountMax, "a document's bound is too low")
    return Answer(bytes: writer.bytes, held: held)
  }

  private func metricsPage() throws(ServingError) -> Answer {
    let byteCountMax = metricsBytesMax
    let held = try heldMemory(byteCountMax)
    var writer = MetricsWriter()
    writer.bytes.reserveCapacity(byteCountMax)
    writeMetrics(&writer)
    assert(writer.bytes.count <= byteCountMax, "the metrics' bound is too low")
    return Answer(contentType: HTTPResponseHead.metricsText, bytes: writer.bytes, held: held)
  }

  /// Nil for little, which is part of the heap's allowance.
  private func heldMemory(_ byteCount: Int) throws(ServingError) -> HeldMemory? {
    guard byteCount > ServingLimits.unreservedBytesMax else { return nil }
    do { return try buffers.reserve(byteCount) } catch { throw residents.refusal(error, sparing: nil) }
  }

  // MARK: Jobs

  private func infer(
    _ connection: Connection, _ reference: ModelReference, isPrediction: Bool = false
  ) throws(ServingError) {
    let (model, isShared) = try route(connection, reference)
    try checkPressure()
    guard let body = connection.takeBodyMemory() else {
      throw .malformed(.fieldMissing(field: "inputs", owner: "request"))
    }
    let job = InferenceJob(
      connection: connection.token, model: model, metrics: metrics(of: model), body: body,
      headerContentLength: connection.head?.inferenceHeaderContentLength, isPrediction: isPrediction,
      residents: residents, regions: regions,
      client: regions.count == 0 ? .nobody : connection.client, hangup: connection.hangup)
    if model.sequenceLayout != nil {
      job.owner = connection.socketUser.map { .user($0) } ?? .connection(connection.token)
    }
    job.isShared = isShared
    if trace.isOn { job.isTraced = trace.samples(model.name) }
    do throws(ServingError) {
      try job.prepare()
      lastActivityNanoseconds = job.receivedNanoseconds
      if mayCompute(0), let answer = job.keptAnswer() {
        computed(since: job.receivedNanoseconds)
        if isShared { noteShared(job.metrics, nil) }
        return send(answer, to: connection)
      }
      job.earliestNanoseconds = model.nextSlotNanoseconds
      let limit = heedTerms(job, of: connection)
      if runsHere(job), scheduler.runHere(job) {
        computed(since: job.receivedNanoseconds)
        return send(job.finish(self), to: connection)
      }
      try queue(job, of: model, for: connection, userLimit: limit)
    } catch {
      if isShared { noteShared(job.metrics, error) }
      return refuse(job, error, of: connection)
    }
    connection.wait(for: job)
  }

  /// Lets a request wait for the worker. Errors: there is no room for it.
  func queue(
    _ job: InferenceJob, of model: LoadedModel, for connection: Connection, userLimit: Int
  ) throws(ServingError) {
    job.ticket?.use = connection.use
    switch scheduler.submit(job, limit: configuration.limits.queuedRequestsMax, userLimit: userLimit) {
    case nil: break
    case .full(let limit): throw .queueFull(limit: limit)
    case .userFull(let limit): throw .clientQueueFull(limit: limit)
    case .groupFull(let limit): throw .modelQueueFull(model: model.name, limit: limit)
    }
    model.takeSlot(job.earliestNanoseconds)
  }

  /// Whether the event loop may run a job itself, going by how long the model usually takes.
  private func runsHere(_ job: InferenceJob) -> Bool {
    guard job.isShort, let nanoseconds = job.metrics.usualComputeNanoseconds else { return false }
    let limit = isOnlyEvent ? loopRunNanosecondsMax : ServingLimits.busyLoopRunNanosecondsMax
    // Where threads have their places this one is not moved there.
    return nanoseconds <= limit && mayCompute(nanoseconds) && residents.effort.processors.isEmpty
  }

  /// A job's deadline has passed: it is answered at once if it has not been started.
  func expire(_ job: QueuedJob, of connection: Connection) {
    guard let inference = job as? InferenceJob, scheduler.withdraw(job) else {
      job.deadlineNanoseconds = Int64.max
      return
    }
    refuse(inference, inference.tooLate, of: connection)
    advance(connection, mayReceive: false)
  }

  /// Answers a request that never gets to the worker.
  func refuse(_ job: InferenceJob, _ error: ServingError, of connection: Connection) {
    if log.isVerbose {
      log.inference(job.metrics, error, nanoseconds: Clock.nowNanoseconds - job.receivedNanoseconds)
    }
    deliver(job.refused(error), to: connection)
  }

  /// The worker is done with a job.
  func finish(_ job: QueuedJob) {
    if let room = job as? RoomJob { return resume(after: room) }
    let answer = job.finish(self)
    if job.connection != 0 { lastUseNanoseconds = Clock.nowNanoseconds }
    guard let connection = connection(job.connection), connection.job === job else { return }
    if let ticket = job.ticket { connection.use = ticket.use }
    deliver(answer, to: connection, steps: (job as? InferenceJob)?.stepCount)
    advance(connection, mayReceive: connection.phase == .body)
  }

  // MARK: The repository

  /// A request, and the reservation of its texts where they are long: to be held as long as they are.
  private func repositoryRequest(
    _ connection: Connection
  ) throws(ServingError) -> (request: RepositoryRequest, memory: HeldMemory?) {
    guard let body = connection.body else { return (RepositoryRequest(), nil) }
    guard body.count > ServingLimits.unreservedBytesMax else {
      _ = connection.takeBodyMemory()
      return (try parsed(body), nil)
    }
    // No text is longer than the body; one with escapes is gathered in a second place.
    let memory: HeldMemory
    let working: HeldMemory
    do throws(MemoryError) {
      memory = try buffers.reserve(body.count)
      working = try buffers.reserve(body.count)
    } catch {
      throw residents.refusal(error, sparing: nil)
    }
    _ = connection.takeBodyMemory()
    let request = try parsed(body)
    withExtendedLifetime(working) {}
    return (request, request.configuration == nil ? nil : memory)
  }

  private func parsed(_ body: RequestBody) throws(ServingError) -> RepositoryRequest {
    do { return try RepositoryRequest(parsing: body.bytes) } catch { throw .malformed(error) }
  }

  private func plan(for connection: Connection) throws(ServingError) {
    guard let body = connection.takeBodyMemory() else {
      throw .malformed(.fieldMissing(field: "model", owner: "request"))
    }
    let request: PlanRequest
    do { request = try PlanRequest(parsing: body.bytes) } catch { throw .malformed(error) }
    body.giveBack()
    let entry = try repository.entry(request.model.name)
    try checkPressure()
    let job = PlanJob(
      connection: connection.token, request: request, loader: loader, loaded: entry.loaded.map { $0.version })
    try submitControl(job)
    connection.wait(for: job)
  }

  private func load(_ name: String, for connection: Connection) throws(ServingError) {
    let entry = try repository.entry(name)
    try checkPressure()
    let (request, memory) = try repositoryRequest(connection)
    buffers.trim()
    let job = LoadJob(
      connection: connection.token, name: name, loader: loader, configuration: request.configuration,
      configurationMemory: memory, entry: entry)
    try submitControl(job)
    repository.beginLoad(name)
    connection.wait(for: job)
  }

  private func unload(_ name: String, for connection: Connection) throws(ServingError) {
    _ = try repository.entry(name)
    try unloadDependents(name, connection)
    buffers.trim()
    let job = UnloadJob(
      connection: connection.token, name: name, models: repository.loaded(name), residents: residents)
    try submitControl(job)
    repository.unload(name)
    connection.wait(for: job)
  }

  /// The models that an ensemble passes through go with it where the request says so.
  private func unloadDependents(_ name: String, _ connection: Connection) throws(ServingError) {
    let (request, _) = try repositoryRequest(connection)
    guard request.unloadsDependents, let ensemble = repository.loaded(name).first?.ensemble else { return }
    for member in Set(ensemble.steps.map { $0.modelName }) {
      try submitControl(
        UnloadJob(connection: 0, name: member, models: repository.loaded(member), residents: residents))
      repository.unload(member)
    }
  }

  /// Has the versions of `before` that the repository has no more give everything back.
  func retire(_ before: [LoadedModel], _ name: String) {
    let current = repository.loaded(name)
    let gone = before.filter { model in !current.contains { $0 === model } }
    guard !gone.isEmpty else { return }
    _ = scheduler.submit(RetireJob(gone, residents: residents), limit: Int.max)
  }

  /// Loads and unloads have room of their own, so that a full queue can still be helped.
  private func submitControl(_ job: QueuedJob) throws(ServingError) {
    let limit = configuration.limits.queuedRequestsMax + configuration.limits.connectionsMax
    guard scheduler.submit(job, limit: limit) else { throw .queueFull(limit: limit) }
  }
}
