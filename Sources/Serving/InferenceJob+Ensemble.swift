import Memory
import Protocols
import Runtime
import System

extension InferenceJob {
  /// What one model of an ensemble took.
  struct MemberRun {
    let model: LoadedModel
    let durations: ModelMetrics.Durations
  }

  /// Runs the models of an ensemble. Inputs are decoded where the first that needs them reads them; what models hand to each
  /// other and what is answered lies in one buffer.
  func execute(
    _ ensemble: Ensemble, of model: LoadedModel, _ request: InferenceRequest, _ body: RequestBody,
    _ entry: ResponseCache.Entry?
  ) throws(ServingError) -> Answer {
    guard !request.parameters.wantsProfile else {
      throw .malformed(.fieldInvalid(field: "thimble_profile", expected: "left out where the model is an ensemble"))
    }
    let tensors = try residents.findingRoom(sparing: nil, holding: body.buffer.bytes.count) { () throws(MemoryError) in
      try residents.buffers.take(ensemble.byteCount)
    }
    durations.queueNanoseconds = Clock.nowNanoseconds - receivedNanoseconds
    let effort = residents.takeEffort()
    var threadCount = 1
    for step in ensemble.steps {
      guard hangup.load() == 0 else { throw .cancelled }
      guard let member = residents.loadedModel(step.modelName, version: step.version) else {
        throw .memberUnavailable(model: model.name, member: step.modelName)
      }
      guard member.inputs.isAlike(step.inputs), member.outputs.isAlike(step.outputs) else {
        throw .member(step.modelName, .modelChanged(model: model.name))
      }
      threadCount = max(
        threadCount, try run(step, member, of: model, request, body, entry, tensors, effort))
    }
    body.giveBack()
    self.body = nil
    let outputStart = Clock.nowNanoseconds
    if let entry {
      for (index, range) in ensemble.outputRanges.enumerated() {
        entry.output(index).copyMemory(from: UnsafeRawBufferPointer(rebasing: tensors.bytes[range]))
      }
      residents.responses.insert(entry)
    }
    let answer = try InferenceJob.answer(
      request, of: model, .ensemble(ensemble, tensors), shared, residents,
      effort: effort.state.map { .init(threadCount: threadCount, state: $0) }, profile: nil)
    durations.outputNanoseconds += Clock.nowNanoseconds - outputStart
    return answer
  }

  /// Returns the number of threads that computed.
  private func run(
    _ step: Ensemble.Step, _ member: LoadedModel, of model: LoadedModel, _ request: InferenceRequest,
    _ body: RequestBody, _ entry: ResponseCache.Entry?, _ tensors: Buffer, _ effort: ComputeEffort
  ) throws(ServingError) -> Int {
    let start = Clock.nowNanoseconds
    let session = try InferenceJob.naming(member) { () throws(ServingError) in
      try residents.begin(member, holding: body.buffer.bytes.count + tensors.bytes.count)
    }
    for (index, source) in step.sources.enumerated() {
      switch source {
      case .made(let range):
        session.writeInput(index) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: tensors.bytes[range])) }
      case .request(let input):
        if let entry {
          session.writeInput(index) { $0.copyMemory(from: UnsafeRawBufferPointer(entry.input(input))) }
        } else if let (input, source) = encoded(input, request, body, of: model) {
          do throws(ProtocolError) {
            try session.writeInput(index) { (bytes) throws(ProtocolError) in try input.decode(from: source, into: bytes)
            }
          } catch {
            throw .malformed(error)
          }
        }
      }
    }
    do { try shared?.check() } catch { throw .sharedMemory(error) }
    try InferenceJob.naming(member) { () throws(ServingError) in try member.checkFile() }
    let inputsDone = Clock.nowNanoseconds
    let isWhole = session.run(threadLimit: effort.threadLimit, unless: hangup)
    residents.end(member)
    try InferenceJob.naming(member) { () throws(ServingError) in try member.checkFile() }
    guard isWhole else { throw .cancelled }
    let inferenceDone = Clock.nowNanoseconds
    for (index, target) in step.targets.enumerated() {
      if let target { session.readOutput(index, into: UnsafeMutableRawBufferPointer(rebasing: tensors.bytes[target])) }
    }
    var one = ModelMetrics.Durations()
    one.inputNanoseconds = inputsDone - start
    one.inferenceNanoseconds = inferenceDone - inputsDone
    one.outputNanoseconds = Clock.nowNanoseconds - inferenceDone
    one.requestNanoseconds = one.inputNanoseconds + one.inferenceNanoseconds + one.outputNanoseconds
    memberRuns.append(.init(model: member, durations: one))
    coreNanoseconds += one.inferenceNanoseconds * Int64(session.threadCount(limit: effort.threadLimit))
    durations.inputNanoseconds += one.inputNanoseconds
    durations.inferenceNanoseconds += one.inferenceNanoseconds
    durations.outputNanoseconds += one.outputNanoseconds
    return session.threadCount(limit: effort.threadLimit)
  }

  /// Runs `body`; its error names the member of an ensemble.
  private static func naming<Result>(
    _ member: LoadedModel, _ body: () throws(ServingError) -> Result
  ) throws(ServingError) -> Result {
    do { return try body() } catch { throw .member(member.name, error) }
  }
}
