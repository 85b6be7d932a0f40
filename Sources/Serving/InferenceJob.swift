import Memory
import Protocols
import Runtime
import System
import Tensors

/// One inference request: parsed and checked, decoded into the model's inputs, run, and answered.
final class InferenceJob: QueuedJob, @unchecked Sendable {
  let metrics: ModelMetrics
  private(set) var model: LoadedModel?
  private let fileFault: LoadedModel.FileFault
  var body: RequestBody?
  private let headerContentLength: Int?
  /// Whether the request is TensorFlow Serving's.
  private let isPrediction: Bool
  let residents: ModelResidents
  private let regions: SharedRegions
  private let client: SharedRegions.Client
  private(set) var request: InferenceRequest?
  private var requestMemory: HeldMemory?
  var shared: SharedTensors?
  /// When it is too late to start. Unlike `deadlineNanoseconds`, which is the event loop's, the worker reads it.
  private var latestStartNanoseconds = Int64.max
  private var timeoutMicros = 0
  private(set) var isRunning = false
  /// Set once the client has hung up: nobody wants the answer any more.
  let hangup: Futex
  var durations = ModelMetrics.Durations()
  /// Time of the run times its threads; 0 where nothing ran.
  var coreNanoseconds: Int64 = 0
  /// Rows that the request brings: inputs `[n, …]` of a model whose own are `[1, …]`.
  private(set) var rowCount = 1
  /// Elements of the request's batch, as statistics count them: its rows times the model's own batch.
  private var batchSize = 1
  /// How many requests it ran together with, itself included; 0: another one of them stands for the run.
  var togetherCount = 1
  /// Whether the version was chosen among those that share the model's requests. Set before it is submitted.
  var isShared = false
  /// Set before it is prepared; nil: a request by itself.
  var stream: StreamStep?
  /// Steps that the request asks for; 0: it does not say.
  var stepCount = 0
  /// Whose sequences it may use. Set before it is submitted.
  var owner = SequenceStore.Owner.connection(0)
  /// Of an ensemble.
  var memberRuns: [MemberRun] = []
  /// Whether the result was kept from an earlier request.
  private var isHit = false
  private var result: Result<Answer, ServingError>?
  /// Whether a trace of it is kept. Set before it is submitted.
  var isTraced = false
  /// The trace's operators, and the memory that they take.
  private var operatorEvents: [UInt8] = []
  private var traceMemory: HeldMemory?

  init(
    connection: UInt64, model: LoadedModel, metrics: ModelMetrics, body: RequestBody, headerContentLength: Int?,
    isPrediction: Bool, residents: ModelResidents, regions: SharedRegions, client: SharedRegions.Client, hangup: Futex
  ) {
    self.model = model
    fileFault = model.fileFault
    self.metrics = metrics
    self.body = body
    self.headerContentLength = isPrediction ? nil : headerContentLength
    self.isPrediction = isPrediction
    self.residents = residents
    self.regions = regions
    self.client = client
    self.hangup = hangup
    super.init(connection: connection)
    heed(InferenceParameters(), of: model)
    metrics.pendingCount += 1
    model.requestBegan()
  }

  override var isPaced: Bool { true }

  /// May run together with others that bring nothing but inputs.
  private func setBatchTerms(_ model: LoadedModel) {
    guard model.isNetwork, model.sequenceLayout == nil, stream == nil, !isTraced, rowCount == 1,
      model.configuration.periodNanoseconds == 0, request.map({ !$0.parameters.wantsProfile }) ?? true
    else { return }
    let batches = model.configuration.queue.batches
    let countMax = batches.countMax(isStreaming: model.residency.isStreaming)
    guard countMax > 1 else { return }
    batchTerms = BatchTerms(
      key: ObjectIdentifier(model), countMax: countMax, wantedCount: batches.wantedCount(of: countMax),
      delayNanoseconds: Int64(batches.delayMicros) * 1000)
  }

  /// Takes priority and timeout, as far as the model's policy allows.
  private func heed(_ parameters: InferenceParameters, of model: LoadedModel) {
    let queue = model.configuration.queue
    let level = queue.level(parameters.priority)
    let policy = queue.policy(of: level)
    timeoutMicros = policy.timeoutMicros(requested: parameters.timeoutMicros)
    var end = Int64.max
    if timeoutMicros > 0 {
      let (nanoseconds, overflow) = timeoutMicros.multipliedReportingOverflow(by: 1000)
      let (sum, carry) = receivedNanoseconds.addingReportingOverflow(Int64(overflow ? Int.max : nanoseconds))
      if !carry { end = sum }
    }
    latestStartNanoseconds = policy.timeoutAction == .reject ? end : Int64.max
    // What the worker parses has waited as a request that asks for nothing.
    guard !isRunning else { return }
    ticket = JobTicket(
      level: level, delayNanoseconds: policy.timeoutAction == .delay ? end : Int64.max,
      group: ObjectIdentifier(metrics), groupMax: policy.requestsMax)
  }

  /// Parses on the event loop what is short, so that a bad request is refused at once and a timeout is known.
  func prepare() throws(ServingError) {
    if let body, let model, headerContentLength ?? body.count <= ServingLimits.loopParseBytesMax {
      try parse(body, model)
    }
    deadlineNanoseconds = latestStartNanoseconds
    if let model { setBatchTerms(model) }
  }

  /// After `prepare`: whether only the run may take long. What the answer as JSON takes counts as the run.
  var isShort: Bool {
    guard let request, let model, !request.parameters.wantsProfile, !isTraced, rowCount == 1 else { return false }
    // Members of an ensemble may be asleep.
    return model.residency.state == .awake && model.configuration.periodNanoseconds == 0 && model.isNetwork
  }

  /// After `prepare`: the answer to a request in binary whose result is kept. The worker need not know of it.
  func keptAnswer() -> Answer? {
    guard let request, let model, let body, !request.parameters.wantsProfile, !isTraced, model.exchange != nil,
      stream == nil, rowCount == 1,
      residents.responses.figures.entryCount > 0,
      let inputs = InferenceJob.binaryInputs(request, body, shared, of: model),
      (try? model.checkReadiness()) != nil
    else { return nil }
    let start = Clock.nowNanoseconds
    guard let found = residents.responses.entry(model, like: inputs),
      let response = try? InferenceJob.response(to: request, of: model, .kept(found), shared)
    else { return nil }
    let byteCountMax = response.encodedBytesMax
    guard byteCountMax <= ServingLimits.loopParseBytesMax, let held = try? residents.buffers.reserve(byteCountMax)
    else {
      return nil
    }
    durations.queueNanoseconds = start - receivedNanoseconds
    durations.lookupNanoseconds = Clock.nowNanoseconds - start
    let answer = InferenceJob.encoded(response, .kept(found), held)
    dropped()
    durations.requestNanoseconds = Clock.nowNanoseconds - receivedNanoseconds
    metrics.hit(durations)
    body.giveBack()
    return answer
  }

  /// Where it never gets to the worker: the answer to a refusal.
  func refused(_ error: ServingError) -> Answer {
    dropped()
    metrics.failed(nanoseconds: Clock.nowNanoseconds - receivedNanoseconds)
    return Answer(error)
  }

  /// The client has gone before it was started.
  func dropped() {
    metrics.pendingCount -= 1
    model?.requestEnded()
  }

  var tooLate: ServingError { .tooLate(timeoutMicros: timeoutMicros) }

  override func finish(_ server: Server) -> Answer {
    metrics.pendingCount -= 1
    let elapsed = Clock.nowNanoseconds - receivedNanoseconds
    if isTraced || server.log.isVerbose { note(elapsed, server) }
    switch result {
    case .success(let answer):
      durations.requestNanoseconds = elapsed
      isHit ? metrics.hit(durations) : metrics.succeeded(durations, batch: batchSize, togetherCount: togetherCount)
      for run in memberRuns { server.metrics(of: run.model).succeeded(run.durations, batch: batchSize) }
      memberRuns = []
      if coreNanoseconds > 0 { server.charge(self, coreNanoseconds: coreNanoseconds) }
      if isShared { server.noteShared(metrics, nil) }
      return answer
    case .failure(let error):
      metrics.failed(nanoseconds: elapsed)
      if isShared { server.noteShared(metrics, error) }
      if case .modelFile = error, fileFault.reported == nil {
        fileFault.reported = error
        server.log.line(
          "model \(metrics.model) version \(metrics.version) fails until it is loaded again: \(error.message)", .error,
          of: Log.Subject(model: metrics.model, version: metrics.version))
      }
      return Answer(error)
    case nil: return Answer(.stopping)
    }
  }

  /// For the log and the trace.
  private func note(_ elapsed: Int64, _ server: Server) {
    var failure: ServingError?
    if case .failure(let error) = result { failure = error }
    if server.log.isVerbose { server.log.inference(metrics, failure, nanoseconds: elapsed) }
    guard isTraced else { return }
    server.addTrace(
      metrics, connection: connection, received: receivedNanoseconds, durations, operators: operatorEvents,
      failure: failure)
    (operatorEvents, traceMemory) = ([], nil)
  }

  // MARK: The worker's side

  override func run() {
    isRunning = true
    do throws(ServingError) { settle(.success(try execute())) } catch { settle(.failure(error)) }
  }

  override func run(with others: [QueuedJob]) {
    runTogether([self] + others.compactMap { $0 as? InferenceJob })
  }

  func settle(_ result: Result<Answer, ServingError>) {
    self.result = result
    model?.requestEnded()
    // What is finished must not keep an unloaded model in memory.
    (model, body, request, requestMemory, shared, stream) = (nil, nil, nil, nil, nil, nil)
  }

  /// Parses what the event loop has not; throws where it is too late to start, or nobody wants the answer any more.
  func parsed() throws(ServingError) -> (model: LoadedModel, request: InferenceRequest, body: RequestBody) {
    guard let model, let body else { throw .stopping }
    isRunning = true
    if request == nil { try parse(body, model) }
    guard let request else { throw .stopping }
    guard Clock.nowNanoseconds <= latestStartNanoseconds else { throw tooLate }
    guard hangup.load() == 0 else { throw .cancelled }
    return (model, request, body)
  }

  private func execute() throws(ServingError) -> Answer {
    let (model, request, body) = try parsed()
    if rowCount > 1 { return try executeRows(model, request, body) }
    let entry = request.parameters.wantsProfile || stream != nil ? nil : residents.responses.room(for: model)
    if let entry, let found = try keptResult(request, body, of: model, entry) {
      return try InferenceJob.answer(request, of: model, .kept(found), shared, residents, effort: nil, profile: nil)
    }
    if let ports = model.tablePorts { return try execute(ports, of: model, request, body) }
    if let ensemble = model.ensemble { return try execute(ensemble, of: model, request, body, entry) }
    if let stream { return try execute(model, request, body, nil, stream.sequence) }
    let sequence = try residents.sequences.begin(request.parameters, of: model, owner, residents)
    do throws(ServingError) {
      let answer = try execute(model, request, body, entry, sequence)
      if let sequence { residents.sequences.end(sequence, isLast: request.parameters.endsSequence) }
      return answer
    } catch {
      if let sequence { residents.sequences.end(sequence, isLast: false) }
      throw error
    }
  }

  private func execute(
    _ model: LoadedModel, _ request: InferenceRequest, _ body: RequestBody, _ entry: ResponseCache.Entry?,
    _ sequence: StateSequence?
  ) throws(ServingError) -> Answer {
    let outputByteCount = entry == nil ? InferenceJob.outputByteCount(request, of: model) : 0
    let session = try residents.begin(model, holding: body.buffer.bytes.count + outputByteCount)
    // Waking the model counts as waiting.
    let start = Clock.nowNanoseconds
    durations.queueNanoseconds = start - receivedNanoseconds
    try checkStart(start)
    // Found now: once the model has run, nothing may move before its outputs have been read.
    let tensors = try take(outputByteCount, model)
    var profile: RequestProfile?
    if request.parameters.wantsProfile || isTraced {
      profile = try RequestProfile(session, model, residents, isTraced: isTraced)
    }
    if let entry {
      for index in session.inputs.indices {
        session.writeInput(index) { $0.copyMemory(from: UnsafeRawBufferPointer(entry.input(index))) }
      }
    } else {
      try writeInputs(request, body, of: model) { (index, decode) throws(ProtocolError) in
        try session.writeInput(model.inputIndices[index], decode)
      }
    }
    let feedsBack = stream?.feedsBack ?? false
    sequence?.write(to: session, feedsBack: feedsBack)
    if !feedsBack { body.giveBack() }
    self.body = nil
    try model.checkFile()
    let inputsDone = Clock.nowNanoseconds
    let effort = residents.takeEffort()
    var isWhole = true
    if profile == nil {
      isWhole = session.run(threadLimit: effort.threadLimit, unless: hangup)
    } else {
      profile!.run(session, threadLimit: effort.threadLimit)
    }
    residents.end(model)
    try model.checkFile()
    guard isWhole else { throw .cancelled }
    let inferenceDone = Clock.nowNanoseconds
    sequence?.read(from: session, feedsBack: feedsBack)
    if let entry {
      for index in session.outputs.indices { session.readOutput(index, into: entry.output(index)) }
      residents.responses.insert(entry)
    }
    let answer = try InferenceJob.answer(
      request, of: model, entry.map { .kept($0) } ?? .session(session, inference: 0, tensors), shared, residents,
      effort: effort.state.map { .init(threadCount: session.threadCount(limit: effort.threadLimit), state: $0) },
      profile: request.parameters.wantsProfile ? profile?.json(session, isa: residents.kernels.name) : nil)
    sequence?.commit()
    durations.inputNanoseconds = inputsDone - start
    durations.inferenceNanoseconds = inferenceDone - inputsDone
    coreNanoseconds = (inferenceDone - inputsDone) * Int64(session.threadCount(limit: effort.threadLimit))
    durations.outputNanoseconds = Clock.nowNanoseconds - inferenceDone
    if isTraced, let profile {
      operatorEvents = profile.traceEvents(session, start: inputsDone)
      traceMemory = profile.held
    }
    return answer
  }

  func checkStart(_ nanoseconds: Int64) throws(ServingError) {
    guard nanoseconds <= latestStartNanoseconds else { throw tooLate }
  }

  func take(_ byteCount: Int, _ model: LoadedModel) throws(ServingError) -> Buffer {
    try residents.findingRoom(sparing: model) { () throws(MemoryError) in try residents.buffers.take(byteCount) }
  }

  /// Gives the request's memory back once its inputs have been read.
  func endBody() {
    body?.giveBack()
    body = nil
  }

  /// Decodes the inputs into `entry`; returns what the model has answered to the same before.
  func keptResult(
    _ request: InferenceRequest, _ body: RequestBody, of model: LoadedModel, _ entry: ResponseCache.Entry
  ) throws(ServingError) -> ResponseCache.Entry? {
    let start = Clock.nowNanoseconds
    try writeInputs(request, body, of: model) { (index, decode) throws(ProtocolError) in try decode(entry.input(index))
    }
    let found = residents.responses.entry(model, like: entry.inputs)
    durations.lookupNanoseconds = Clock.nowNanoseconds - start
    guard let found else { return nil }
    durations.queueNanoseconds = start - receivedNanoseconds
    isHit = true
    try model.checkFile()
    endBody()
    return found
  }

  // MARK: Either side

  private func parse(_ body: RequestBody, _ model: LoadedModel) throws(ServingError) {
    // The parser copies names, which may be all of a hostile request's JSON.
    let jsonBytes = headerContentLength ?? body.count
    if jsonBytes > ServingLimits.loopParseBytesMax {
      requestMemory = try residents.findingRoom(sparing: model, holding: body.buffer.bytes.count) {
        () throws(MemoryError) in
        try residents.buffers.reserve(jsonBytes)
      }
    }
    var request: InferenceRequest
    do throws(ProtocolError) {
      request =
        isPrediction
        ? try InferenceRequest(predicting: body.bytes, inputs: model.inputs.map { $0.metadata })
        : try InferenceRequest(parsing: body.bytes, headerContentLength: headerContentLength)
      if request.rawInput != nil, model.inputs.count == 1 {
        let port = model.inputs[0]
        let shape = request.rawInputShape(elementType: port.elementType, rowShape: port.shape)
        try request.bindRawInput(name: port.name, elementType: port.elementType, shape: shape)
      }
    } catch {
      throw .malformed(error)
    }
    if stream != nil { try heedStream(&request) }
    rowCount = try request.checkedRowCount(of: model, isStream: stream != nil)
    do { shared = try SharedTensors(request, of: model, rowCount: rowCount, regions, for: client) } catch {
      throw .sharedMemory(error)
    }
    if request.keptByteCount <= ServingLimits.unreservedBytesMax { requestMemory = nil }
    heed(request.parameters, of: model)
    batchSize = rowCount * max(1, model.inputs.first?.shape.dimensions.first ?? 1)
    self.request = request
  }
}
