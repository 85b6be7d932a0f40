import Memory
import Protocols
import Runtime
import System

extension InferenceJob {
  /// One of the requests that run together.
  fileprivate struct Place {
    let job: InferenceJob
    let request: InferenceRequest
    let body: RequestBody
    /// Its inputs, decoded, and where its result is kept; nil where results are not.
    let entry: ResponseCache.Entry?
    var tensors: Buffer?
  }

  /// What a run has left in the workspace, and what is made of it.
  fileprivate struct Outcome {
    let place: Place
    let result: Outputs
    var response: InferenceResponse
  }

  /// Runs requests of one model together, in as many runs as there is room for. What one of them is refused for the others do not
  /// notice. On the worker's thread.
  func runTogether(_ jobs: [InferenceJob]) {
    var places: [Place] = []
    for job in jobs {
      do throws(ServingError) {
        let (model, request, body) = try job.parsed()
        guard model === self.model, !request.parameters.wantsProfile, job.rowCount == 1 else {
          job.run()
          continue
        }
        let entry = residents.responses.room(for: model)
        if let entry, let found = try job.keptResult(request, body, of: model, entry) {
          let answer = try InferenceJob.answer(
            request, of: model, .kept(found), job.shared, residents, effort: nil, profile: nil)
          job.settle(.success(answer))
          continue
        }
        places.append(Place(job: job, request: request, body: body, entry: entry))
      } catch {
        job.settle(.failure(error))
      }
    }
    guard places.count > 1, let model = places[0].job.model else {
      for place in places { place.job.run() }
      return
    }
    do throws(ServingError) { try InferenceJob.run(places, of: model, residents) } catch {
      // Who asked for more than there is: by itself each learns what it may ask for.
      for place in places where place.job.model != nil { place.job.run() }
    }
  }

  private static func run(
    _ places: [Place], of model: LoadedModel, _ residents: ModelResidents
  ) throws(ServingError) {
    let session = try residents.begin(model, holding: places.reduce(0) { $0 + $1.body.buffer.bytes.count })
    // Found before anything is written: then nothing moves until all outputs have been read.
    var ready: [Place] = []
    for var place in places {
      let byteCount = place.entry == nil ? outputByteCount(place.request, of: model) : 0
      do throws(ServingError) {
        place.tensors = try place.job.take(byteCount, model)
        ready.append(place)
      } catch {
        place.job.settle(.failure(error))
      }
    }
    var start = 0
    while start < ready.count {
      let room = residents.makeRoom(for: ready.count - start, of: model, session)
      let end = start + max(1, room)
      // Whoever comes after this run has not been touched by it.
      run(Array(ready[start..<min(end, ready.count)]), of: model, session, residents)
      start = end
    }
  }

  /// One run.
  private static func run(
    _ places: [Place], of model: LoadedModel, _ session: Session, _ residents: ModelResidents
  ) {
    let start = Clock.nowNanoseconds
    var running: [Place] = []
    for place in places {
      do throws(ServingError) {
        try place.write(to: session, of: model, inference: running.count)
        running.append(place)
      } catch {
        place.job.settle(.failure(error))
      }
    }
    guard !running.isEmpty else { return }
    let inputsDone = Clock.nowNanoseconds
    let effort = residents.takeEffort()
    do throws(ServingError) {
      try model.checkFile()
      session.run(threadLimit: effort.threadLimit, inferenceCount: running.count)
      residents.end(model)
      try model.checkFile()
    } catch {
      for place in running { place.job.settle(.failure(error)) }
      return
    }
    let inferenceDone = Clock.nowNanoseconds
    let threadCount = session.threadCount(limit: effort.threadLimit)
    var outcomes: [Outcome] = []
    for (inference, place) in running.enumerated() {
      do throws(ServingError) {
        var outcome = try place.read(from: session, of: model, inference: inference, residents)
        outcome.response.effort = effort.state.map { .init(threadCount: threadCount, state: $0) }
        outcomes.append(outcome)
      } catch {
        place.job.settle(.failure(error))
      }
    }
    let outputsDone = Clock.nowNanoseconds
    let count = Int64(running.count)
    for (index, outcome) in outcomes.enumerated() {
      let job = outcome.place.job
      job.durations.queueNanoseconds = start - job.receivedNanoseconds
      job.durations.inputNanoseconds = inputsDone - start
      job.durations.inferenceNanoseconds = inferenceDone - inputsDone
      job.durations.outputNanoseconds = outputsDone - inferenceDone
      job.coreNanoseconds = (inferenceDone - inputsDone) * Int64(threadCount) / count
      job.togetherCount = index == 0 ? running.count : 0
      do throws(ServingError) {
        guard job.hangup.load() == 0 else { throw .cancelled }
        job.settle(.success(try held(outcome.response, of: model, outcome.result, residents)))
      } catch {
        job.settle(.failure(error))
      }
    }
  }
}

extension InferenceJob.Place {
  fileprivate func write(to session: Session, of model: LoadedModel, inference: Int) throws(ServingError) {
    if let entry {
      for index in session.inputs.indices {
        session.writeInput(index, of: inference) { $0.copyMemory(from: UnsafeRawBufferPointer(entry.input(index))) }
      }
    } else {
      try job.writeInputs(request, body, of: model) { (index, decode) throws(ProtocolError) in
        try session.writeInput(model.inputIndices[index], of: inference, decode)
      }
    }
    job.endBody()
  }

  fileprivate func read(
    from session: Session, of model: LoadedModel, inference: Int, _ residents: ModelResidents
  ) throws(ServingError) -> InferenceJob.Outcome {
    let result: InferenceJob.Outputs
    if let entry {
      for index in session.outputs.indices { session.readOutput(index, of: inference, into: entry.output(index)) }
      residents.responses.insert(entry)
      result = .kept(entry)
    } else if let tensors {
      result = .session(session, inference: inference, tensors)
    } else {
      throw .stopping
    }
    let response = try InferenceJob.response(to: request, of: model, result, job.shared)
    return InferenceJob.Outcome(place: self, result: result, response: response)
  }
}
