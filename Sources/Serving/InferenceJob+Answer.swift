import Memory
import Protocols
import Runtime
import Tensors

extension InferenceJob {
  /// Copies the outputs that the request asks for out of the model, and encodes them.
  static func answer(
    _ request: InferenceRequest, of model: LoadedModel, _ session: Session, _ residents: ModelResidents
  ) throws(ServingError) -> Answer {
    let (response, tensors) = try response(to: request, of: model, session, residents)
    let byteCountMax = response.encodedBytesMax
    let held = try residents.findingRoom(sparing: model) { () throws(MemoryError) in
      try residents.buffers.reserve(byteCountMax)
    }
    let encoded: EncodedInference
    do { encoded = try response.encoded() } catch { return Answer(.malformed(error)) }
    return Answer(.ok, contentType: encoded.contentType, body: encoded, tensors: tensors, held: held)
  }

  private static func response(
    to request: InferenceRequest, of model: LoadedModel, _ session: Session, _ residents: ModelResidents
  ) throws(ServingError) -> (InferenceResponse, Buffer) {
    let ports = model.outputs
    // All outputs in the model's order, or those named in the request's order.
    let wanted =
      request.outputs.isEmpty
      ? Array(ports.indices) : request.outputs.compactMap { output in ports.firstIndex { $0.name == output.name } }
    let byteCount = wanted.reduce(0) { $0 + aligned(ports[$1].byteCount) }
    let tensors = try residents.findingRoom(sparing: model) { () throws(MemoryError) in
      try residents.buffers.take(byteCount)
    }
    var offset = 0
    var outputs: [InferenceOutput] = []
    outputs.reserveCapacity(wanted.count)
    for (place, index) in wanted.enumerated() {
      let port = ports[index]
      let bytes = UnsafeMutableRawBufferPointer(rebasing: tensors.bytes[offset..<offset + port.byteCount])
      session.readOutput(index, into: bytes)
      offset += aligned(port.byteCount)
      outputs.append(
        InferenceOutput(
          name: port.name, elementType: port.elementType, shape: port.shape, bytes: UnsafeRawBufferPointer(bytes),
          requested: request.outputs.isEmpty ? nil : request.outputs[place], parameters: request.parameters,
          labels: model.configuration.labels, hasBatchDimension: port.shape.rank >= 2))
    }
    let response = InferenceResponse(
      modelName: model.name, modelVersion: "\(model.version)", id: request.id, outputs: outputs)
    return (response, tensors)
  }

  private static func aligned(_ byteCount: Int) -> Int { (byteCount + 63) / 64 * 64 }
}
