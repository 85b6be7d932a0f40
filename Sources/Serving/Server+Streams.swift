import Memory
import Protocols
import System

/// Answers in parts: `generate`, `generate_stream`, and requests that come one after the other in one body.
extension Server {
  // MARK: Requests in a body

  /// Whether a request's body is a stream of items; then it is answered as they come.
  func beginItems(_ connection: Connection) -> Bool {
    guard case .generate(let reference, true) = connection.route, let head = connection.head, head.body != .empty,
      head.inferenceHeaderContentLength == nil, let model = try? repository.model(reference)
    else { return false }
    do throws(ServingError) {
      guard let form = try EventStream.form(head.contentType, of: model) else { return false }
      try checkPressure()
      let stream = EventStream(
        model, .items(form), sequence: try privateSequence(of: model), headerContentLength: nil, sendsAll: true)
      try connection.beginItems(stream)
      try prepareItem(connection, stream)
      if head.expectsContinue { sendContinue(connection) }
    } catch {
      connection.stream = nil
      connection.send(Answer(error), keepsAlive: false, lingers: true)
    }
    return true
  }

  private func prepareItem(_ connection: Connection, _ stream: EventStream) throws(ServingError) {
    var capacity = ServingLimits.lineBytesFirst
    if case .tensors(let byteCount)? = stream.itemForm { capacity = byteCount }
    do throws(MemoryError) { connection.keepBody(try RequestBody(capacity: max(1, capacity), pool: buffers)) } catch {
      throw residents.refusal(error, sparing: stream.model)
    }
  }

  /// An item has come, or the body's end.
  func dispatchItem(_ connection: Connection, _ stream: EventStream) {
    guard let body = connection.takeBodyMemory() else { return over(connection, stream) }
    guard body.count > 0 else {
      body.giveBack()
      return over(connection, stream)
    }
    var headerContentLength: Int?
    if case .tensors? = stream.itemForm { headerContentLength = 0 }
    run(connection, stream, body, headerContentLength)
  }

  // MARK: Generating

  /// Runs a model for one request as often as its configuration says, or the request.
  func generate(
    _ connection: Connection, _ reference: ModelReference, sendsAll: Bool
  ) throws(ServingError) {
    let model = try repository.model(reference)
    guard model.configuration.generation != nil, model.ensemble == nil else { throw .notGenerating(model: model.name) }
    try checkPressure()
    let sequence = try privateSequence(of: model)
    guard let body = connection.takeBodyMemory() else {
      throw .malformed(.fieldMissing(field: "inputs", owner: "request"))
    }
    let stream = EventStream(
      model, .generation(body), sequence: sequence, headerContentLength: connection.head?.inferenceHeaderContentLength,
      sendsAll: sendsAll)
    connection.stream = stream
    run(connection, stream, body, stream.headerContentLength)
  }

  private func privateSequence(of model: LoadedModel) throws(ServingError) -> StateSequence? {
    guard let layout = model.sequenceLayout else { return nil }
    do throws(MemoryError) { return try StateSequence(layout, budget: budget) } catch {
      throw residents.refusal(error, sparing: model)
    }
  }

  // MARK: Either

  private func run(
    _ connection: Connection, _ stream: EventStream, _ body: RequestBody, _ headerContentLength: Int?
  ) {
    let model = stream.model
    let job = InferenceJob(
      connection: connection.token, model: model, metrics: metrics(of: model), body: body,
      headerContentLength: headerContentLength, isPrediction: false, residents: residents, regions: regions,
      client: regions.count == 0 ? .nobody : connection.client, hangup: connection.hangup)
    job.stream = InferenceJob.StreamStep(sequence: stream.sequence, feedsBack: stream.feedsBack)
    if trace.isOn { job.isTraced = trace.samples(model.name) }
    do throws(ServingError) {
      guard model.residency.state != .retired else { throw .modelUnavailable(model: model.name, reason: "unloaded") }
      try job.prepare()
      lastActivityNanoseconds = job.receivedNanoseconds
      job.earliestNanoseconds = model.nextSlotNanoseconds
      let limit = heedTerms(job, of: connection)
      try queue(job, of: model, for: connection, userLimit: limit)
    } catch {
      return refuse(job, error, of: connection)
    }
    connection.wait(for: job)
  }

  /// Sends what a job has led to: the answer, or the next event of a stream.
  func deliver(_ answer: Answer, to connection: Connection, steps: Int? = nil) {
    guard let stream = connection.stream else { return send(answer, to: connection) }
    guard answer.status == .ok else {
      guard stream.hasBegun else {
        end(connection)
        return connection.send(
          answer, keepsAlive: !isStopping && connection.hasWholeBody, lingers: !connection.hasWholeBody)
      }
      stream.isOver = true
      return connection.sendEvent(answer, stream)
    }
    if let generation = stream.model.configuration.generation, stream.itemForm == nil {
      let wanted = steps.map { $0 > 0 ? min($0, generation.stepCount) : generation.stepCount } ?? generation.stepCount
      stream.stepsLeft = (stream.stepsLeft ?? wanted) - 1
    }
    if stream.stepsLeft == 0 {
      stream.isOver = true
      if !stream.sendsAll {
        end(connection)
        return send(answer, to: connection)
      }
    }
    if stream.sendsAll { return connection.sendEvent(answer, stream) }
    if let tensors = answer.tensors { buffers.give(tensors) }
    goOn(connection, stream)
  }

  /// An event is sent.
  func goOn(_ connection: Connection, _ stream: EventStream) {
    switch stream.source {
    case .generation(let body?):
      guard !isStopping else { return deliver(Answer(.stopping), to: connection) }
      run(connection, stream, body, stream.headerContentLength)
    case .generation(nil): over(connection, stream)
    case .items:
      do throws(ServingError) {
        guard !isStopping else { throw .stopping }
        try prepareItem(connection, stream)
        connection.awaitItem()
      } catch {
        deliver(Answer(error), to: connection)
      }
    }
  }

  /// Nothing more is to come.
  private func over(_ connection: Connection, _ stream: EventStream) {
    stream.isOver = true
    connection.sendEvent(nil, stream)
  }

  /// The stream's own memory goes back.
  func end(_ connection: Connection) {
    if case .generation(let body?)? = connection.stream?.source { body.giveBack() }
    connection.stream = nil
  }
}
