import Memory
import Protocols
import Runtime
import Tensors

extension InferenceJob {
  /// Where a result is.
  enum Outputs {
    /// In the model, of one of the inferences that ran together, to be copied to the buffer.
    case session(Session, inference: Int, Buffer)
    /// In a buffer, the rows of each output that the request asks for.
    case rows(Buffer, at: [Range<Int>], count: Int)
    /// In a buffer, where the ensemble has it.
    case ensemble(Ensemble, Buffer)
    /// In the response cache, where it stays.
    case kept(ResponseCache.Entry)
  }

  /// Takes the outputs that the request asks for, and encodes them.
  static func answer(
    _ request: InferenceRequest, of model: LoadedModel, _ result: Outputs, _ shared: SharedTensors?,
    _ residents: ModelResidents, effort: InferenceResponse.Effort?, profile: [UInt8]?
  ) throws(ServingError) -> Answer {
    var response = try response(to: request, of: model, result, shared)
    response.profile = profile
    response.effort = effort
    return try held(response, of: model, result, residents)
  }

  /// Finds memory for a response, and encodes it.
  static func held(
    _ response: InferenceResponse, of model: LoadedModel, _ result: Outputs, _ residents: ModelResidents
  ) throws(ServingError) -> Answer {
    let byteCountMax = response.encodedBytesMax
    let held = try residents.findingRoom(sparing: model) { () throws(MemoryError) in
      try residents.buffers.reserve(byteCountMax)
    }
    return encoded(response, result, held)
  }

  static func encoded(_ response: InferenceResponse, _ result: Outputs, _ held: HeldMemory?) -> Answer {
    let encoded: EncodedInference
    do { encoded = try response.encoded() } catch { return Answer(.malformed(error)) }
    switch result {
    case .session(_, _, let tensors), .ensemble(_, let tensors), .rows(let tensors, _, _):
      return Answer(.ok, contentType: encoded.contentType, body: encoded, tensors: tensors, held: held)
    case .kept(let entry):
      return Answer(.ok, contentType: encoded.contentType, body: encoded, kept: entry, held: held)
    }
  }

  static func response(
    to request: InferenceRequest, of model: LoadedModel, _ result: Outputs, _ shared: SharedTensors?
  ) throws(ServingError) -> InferenceResponse {
    do throws(SharedMemoryError) {
      let response = try written(request, of: model, result, shared)
      try shared?.check()
      return response
    } catch {
      throw .sharedMemory(error)
    }
  }

  private static func written(
    _ request: InferenceRequest, of model: LoadedModel, _ result: Outputs, _ shared: SharedTensors?
  ) throws(SharedMemoryError) -> InferenceResponse {
    let ports = model.outputs
    let wanted = wantedOutputs(request, of: ports)
    var rowCount = 1
    if case .rows(_, _, let count) = result { rowCount = count }
    var offset = 0
    var outputs: [InferenceOutput] = []
    outputs.reserveCapacity(wanted.count)
    for (place, index) in wanted.enumerated() {
      let port = ports[index]
      let requested = request.outputs.isEmpty ? nil : request.outputs[place]
      let outside = try requested.flatMap { (requested) throws(SharedMemoryError) in
        try shared?.output(place, requested, count: port.byteCount * rowCount)
      }
      let bytes: UnsafeMutableRawBufferPointer
      switch result {
      case .session(let session, let inference, let tensors):
        if let outside {
          bytes = outside
        } else {
          bytes = UnsafeMutableRawBufferPointer(rebasing: tensors.bytes[offset..<offset + port.byteCount])
          offset += aligned(port.byteCount)
        }
        session.readOutput(index, of: inference, into: bytes)
      case .rows(let tensors, let ranges, _):
        let made = UnsafeMutableRawBufferPointer(rebasing: tensors.bytes[ranges[place]])
        outside?.copyMemory(from: UnsafeRawBufferPointer(made))
        bytes = outside ?? made
      case .ensemble(let ensemble, let tensors):
        let made = UnsafeMutableRawBufferPointer(rebasing: tensors.bytes[ensemble.outputRanges[index]])
        outside?.copyMemory(from: UnsafeRawBufferPointer(made))
        bytes = outside ?? made
      case .kept(let entry):
        outside?.copyMemory(from: UnsafeRawBufferPointer(entry.output(index)))
        bytes = outside ?? entry.output(index)
      }
      outputs.append(
        InferenceOutput(
          name: port.name, elementType: port.elementType,
          shape: rowCount == 1 ? port.shape : port.shape.withRows(rowCount),
          bytes: UnsafeRawBufferPointer(bytes),
          requested: requested, parameters: request.parameters,
          labels: model.configuration.labels, hasBatchDimension: port.shape.rank >= 2))
    }
    var response = InferenceResponse(
      modelName: model.name, modelVersion: "\(model.version)", id: request.id, outputs: outputs)
    response.form = request.form
    return response
  }

  /// All outputs in the model's order, or those named in the request's order.
  static func wantedOutputs(_ request: InferenceRequest, of ports: [Session.Port]) -> [Int] {
    request.outputs.isEmpty
      ? Array(ports.indices) : request.outputs.compactMap { output in ports.firstIndex { $0.name == output.name } }
  }

  /// Bytes of the outputs that the request asks for in its answer.
  static func outputByteCount(_ request: InferenceRequest, of model: LoadedModel) -> Int {
    wantedOutputs(request, of: model.outputs).enumerated().reduce(0) {
      let (place, index) = $1
      let isOutside = !request.outputs.isEmpty && request.outputs[place].shared != nil
      return isOutside ? $0 : $0 + aligned(model.outputs[index].byteCount)
    }
  }

  /// Where in a buffer the rows of each of those outputs are made, wherever they go in the end.
  static func rowRanges(_ wanted: [Int], of model: LoadedModel, rowCount: Int) -> [Range<Int>] {
    var end = 0
    return wanted.map { index in
      let start = aligned(end)
      end = start + model.outputs[index].byteCount * rowCount
      return start..<end
    }
  }

  static func aligned(_ byteCount: Int) -> Int { (byteCount + 63) / 64 * 64 }

  /// The inputs' bytes in the model's order; nil where one has to be parsed, or they are too many for the event loop.
  static func binaryInputs(
    _ request: InferenceRequest, _ body: RequestBody, _ shared: SharedTensors?, of model: LoadedModel
  ) -> [UnsafeRawBufferPointer]? {
    var inputs: [UnsafeRawBufferPointer] = []
    var byteCount = 0
    for port in model.inputs {
      guard let place = request.inputs.firstIndex(where: { $0.name == port.name }) else { return nil }
      let range: Range<Int>?
      switch request.inputs[place].payload {
      case .binary(let bytes): range = bytes
      case .shared(let reference): range = reference.range
      case .json: range = nil
      }
      byteCount += port.byteCount
      guard let range, byteCount <= ServingLimits.loopLookupBytesMax else { return nil }
      inputs.append(UnsafeRawBufferPointer(rebasing: (shared?.input(place) ?? body.bytes)[range]))
    }
    return inputs
  }
}
