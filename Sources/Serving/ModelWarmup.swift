import Runtime
import System
import Tensors

/// Runs a version's warm-up before anybody may ask it. On the worker's thread.
struct ModelWarmup {
  let directory: ModelDirectory
  let residents: ModelResidents

  /// Errors: a sample that names what is not there, a file that does not fit, a run that failed. The model is then worth nothing.
  func run(_ samples: [WarmupSample], _ model: LoadedModel) throws(ServingError) {
    guard model.tablePorts == nil || samples.isEmpty else {
      throw .tableQuery(model: model.name, reason: "it needs no warm-up: leave model_warmup out of its config.json")
    }
    for (index, sample) in samples.enumerated() {
      let name = sample.name.isEmpty ? "\(index)" : sample.name
      for input in sample.inputs where !model.inputs.contains(where: { $0.name == input.name }) {
        throw failure(model, name, "there is no input \(ServingError.quoted(input.name))")
      }
      for _ in 0..<sample.runCount {
        let session = try residents.begin(model, holding: 0)
        for (place, port) in model.inputs.enumerated() {
          let data = sample.inputs.first { $0.name == port.name }?.data ?? .zeros
          try session.writeInput(model.inputIndices[place]) { (bytes) throws(ServingError) in
            try fill(bytes, port, data, model, name)
          }
        }
        session.run(threadLimit: residents.takeEffort().threadLimit)
        residents.end(model)
        try model.checkFile()
      }
    }
  }

  private func fill(
    _ bytes: UnsafeMutableRawBufferPointer, _ port: Session.Port, _ data: WarmupSample.Data, _ model: LoadedModel,
    _ sample: String
  ) throws(ServingError) {
    switch data {
    case .zeros: bytes.initializeMemory(as: UInt8.self, repeating: 0)
    case .ones:
      let isFloat = port.elementType == .float32
      for index in 0..<bytes.count / port.elementType.byteCount {
        let element = UnsafeMutableRawBufferPointer(
          rebasing: bytes[index * port.elementType.byteCount..<(index + 1) * port.elementType.byteCount])
        element.initializeMemory(as: UInt8.self, repeating: 0)
        if isFloat { element.storeBytes(of: 1, as: Float.self) } else { element[0] = 1 }
      }
    case .random:
      var state: UInt64 = 0x9E37_79B9_7F4A_7C15
      func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
      }
      if port.elementType == .float32 {
        for index in 0..<bytes.count / 4 {
          bytes.storeBytes(of: Float(next() >> 40) / Float(1 << 24), toByteOffset: 4 * index, as: Float.self)
        }
      } else {
        for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: next() >> 32) }
      }
    case .file(let file):
      let isWhole: Bool
      do throws(SystemError) { isWhole = try read(file, bytes, model) } catch {
        throw failure(model, sample, error.message)
      }
      guard isWhole else {
        throw failure(model, sample, "the file \(file) does not have the \(bytes.count) bytes of input \(port.name)")
      }
    }
  }

  /// Returns whether the file has as many bytes.
  private func read(
    _ name: String, _ bytes: UnsafeMutableRawBufferPointer, _ model: LoadedModel
  ) throws(SystemError) -> Bool {
    let ofVersion = directory.warmupFile(name, of: model.name, version: model.version)
    let path =
      (try? FileSystem.status(of: ofVersion)) == nil ? directory.warmupFile(name, of: model.name) : ofVersion
    let file = try directory.open(path)
    let status = try file.status()
    guard status.isRegular, status.byteCount == bytes.count else { return false }
    try file.read(into: bytes, at: 0)
    return true
  }

  private func failure(_ model: LoadedModel, _ sample: String, _ reason: String) -> ServingError {
    .warmup(model: model.name, version: model.version, sample: sample, reason: reason)
  }
}
