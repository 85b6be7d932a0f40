import Memory
import Protocols
import Runtime
import Tensors

extension InferenceJob {
  /// Copies the outputs that the request asks for out of the model, and encodes them.
  static func answer(
    _ request: InferenceRequest, of model: LoadedModel, _ session: Session, _ tensors: Buffer,
    _ shared: SharedTensors?, _ residents: ModelResidents, profile: [UInt8]?
  ) throws(ServingError) -> Answer {
    var response: InferenceResponse
    do throws(SharedMemoryError) {
      response = try InferenceJob.response(to: request, of: model, session, tensors, shared)
      try shared?.check()
    } catch {
      throw .sharedMemory(error)
    }
    response.profile = profile
    let byteCountMax = response.encodedBytesMax
    let held = try residents.findingRoom(sparing: model) { () throws(MemoryError) in
      try residents.buffers.reserve(byteCountMax)
    }
    let encoded: EncodedInference
    do { encoded = try response.encoded() } catch { return Answer(.malformed(error)) }
    return Answer(.ok, contentType: encoded.contentType, body: encoded, tensors: tensors, held: held)
  }

  private static func response(
    to request: InferenceRequest, of model: LoadedModel, _ session: Session, _ tensors: Buffer,
    _ shared: SharedTensors?
  ) throws(SharedMemoryError) -> InferenceResponse {
    let ports = model.outputs
    let wanted = wanted(request, of: ports)
    var offset = 0
    var outputs: [InferenceOutput] = []
    outputs.reserveCapacity(wanted.count)
    for (place, index) in wanted.enumerated() {
      let port = ports[index]
      let requested = request.outputs.isEmpty ? nil : request.outputs[place]
      let bytes: UnsafeMutableRawBufferPointer
      if let requested, let outside = try shared?.output(place, requested, count: port.byteCount) {
        bytes = outside
      } else {
        bytes = UnsafeMutableRawBufferPointer(rebasing: tensors.bytes[offset..<offset + port.byteCount])
        offset += aligned(port.byteCount)
      }
      session.readOutput(index, into: bytes)
      outputs.append(
        InferenceOutput(
          name: port.name, elementType: port.elementType, shape: port.shape, bytes: UnsafeRawBufferPointer(bytes),
          requested: requested, parameters: request.parameters,
          labels: model.configuration.labels, hasBatchDimension: port.shape.rank >= 2))
    }
    return InferenceResponse(
      modelName: model.name, modelVersion: "\(model.version)", id: request.id, outputs: outputs)
  }

  /// All outputs in the model's order, or those named in the request's order.
  private static func wanted(_ request: InferenceRequest, of ports: [Session.Port]) -> [Int] {
    request.outputs.isEmpty
      ? Array(ports.indices) : request.outputs.compactMap { output in ports.firstIndex { $0.name == output.name } }
  }

  /// Bytes of the outputs that the request asks for in its answer.
  static func outputByteCount(_ request: InferenceRequest, of model: LoadedModel) -> Int {
    wanted(request, of: model.outputs).enumerated().reduce(0) {
      let (place, index) = $1
      let isOutside = !request.outputs.isEmpty && request.outputs[place].shared != nil
      return isOutside ? $0 : $0 + aligned(model.outputs[index].byteCount)
    }
  }

  private static func aligned(_ byteCount: Int) -> Int { (byteCount + 63) / 64 * 64 }
}
