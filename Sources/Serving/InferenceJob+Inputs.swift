import Protocols
import Runtime

/// What a request brings, found in its body or in shared memory.
extension InferenceJob {
  /// Calls `write` with each input's index and what decodes it over all of its memory.
  func writeInputs(
    _ request: InferenceRequest, _ body: RequestBody, of model: LoadedModel,
    _ write: (Int, (UnsafeMutableRawBufferPointer) throws(ProtocolError) -> Void) throws(ProtocolError) -> Void
  ) throws(ServingError) {
    for index in model.inputs.indices {
      guard let (input, source) = encoded(index, request, body, of: model) else { continue }
      do throws(ProtocolError) {
        try write(index) { (bytes) throws(ProtocolError) in try input.decode(from: source, into: bytes) }
      } catch {
        throw .malformed(error)
      }
    }
    do { try shared?.check() } catch { throw .sharedMemory(error) }
  }

  /// What the request says of one of the model's inputs, and the memory that it says it of. All are there: it was checked before.
  func encoded(
    _ index: Int, _ request: InferenceRequest, _ body: RequestBody, of model: LoadedModel
  ) -> (InferenceTensor, UnsafeRawBufferPointer)? {
    let name = model.inputs[index].name
    guard let place = request.inputs.firstIndex(where: { $0.name == name }) else { return nil }
    return (request.inputs[place], shared?.input(place) ?? body.bytes)
  }
}
