import Protocols
import Runtime
import Tensors

/// The regions of a request's tensors that are not in its body, found and checked before it waits.
struct SharedTensors: Sendable {
  /// By index of the request's inputs and outputs.
  private var inputs: [SharedRegion?] = []
  private var outputs: [SharedRegion?] = []

  /// Nil where all tensors are in the body. Errors: a region that is not there, a tensor that does not fit its place.
  init?(
    _ request: InferenceRequest, of model: LoadedModel, rowCount: Int, _ regions: SharedRegions,
    for client: SharedRegions.Client
  ) throws(SharedMemoryError) {
    guard request.hasSharedTensors else { return nil }
    for input in request.inputs {
      guard case .shared(let reference) = input.payload else {
        inputs.append(nil)
        continue
      }
      let region = try regions.region(reference.region, for: client)
      _ = try region.bytes(reference, count: input.byteCount, of: input.name)
      inputs.append(region)
    }
    for output in request.outputs {
      guard let reference = output.shared else {
        outputs.append(nil)
        continue
      }
      let region = try regions.region(reference.region, for: client)
      guard region.isWritable else { throw .notWritable(region: reference.region) }
      let needed = rowCount * (model.outputs.first { $0.name == output.name }?.byteCount ?? 0)
      guard needed <= reference.byteCount else {
        throw .outputTooLarge(output: output.name, neededByteCount: needed, byteCount: reference.byteCount)
      }
      _ = try region.bytes(reference, count: needed, of: output.name)
      outputs.append(region)
    }
  }

  /// What the input at `index` is decoded from where it is not the body.
  func input(_ index: Int) -> UnsafeRawBufferPointer? { inputs[index].map { UnsafeRawBufferPointer($0.bytes) } }

  /// Where the output at `index` of the request goes if not into the answer: `count` bytes.
  func output(
    _ index: Int, _ request: InferenceOutputRequest, count: Int
  ) throws(SharedMemoryError) -> UnsafeMutableRawBufferPointer? {
    guard let region = outputs[index], let reference = request.shared else { return nil }
    return try region.bytes(reference, count: count, of: request.name)
  }

  /// Asked after tensors have been read or written: whether all of their bytes were there.
  func check() throws(SharedMemoryError) {
    for case let region? in inputs { try region.check() }
    for case let region? in outputs { try region.check() }
  }
}

extension InferenceRequest {
  var hasSharedTensors: Bool {
    for input in inputs { if case .shared = input.payload { return true } }
    return outputs.contains { $0.shared != nil }
  }
}
