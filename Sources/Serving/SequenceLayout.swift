import Protocols
import Runtime
import Tensors

/// Where a sequence's state lies in its memory, and which inputs of a model are left for requests.
struct SequenceLayout: Sendable {
  /// An output that is an input of the next run.
  struct Pair: Sendable {
    /// The session's input and output.
    let input: Int
    let output: Int
    /// Of one half of the memory.
    let range: Range<Int>
    /// What each byte is at the start: the real number 0.
    let zero: UInt8
  }

  /// What requests of a sequence hand on.
  private(set) var states: [Pair] = []
  /// What else the steps of one generation hand on; the request brings it for the first.
  private(set) var feedback: [Pair] = []
  /// Bytes of one half.
  private(set) var byteCount = 0

  /// Nil where the configuration asks for nothing of the kind. Errors: a pair that is none, by its key.
  init?(
    _ configuration: ModelConfiguration, inputs: [Session.Port], outputs: [Session.Port], model: String
  ) throws(ServingError) {
    guard configuration.sequences != nil || configuration.generation != nil else { return nil }
    var taken: [Int] = []
    for (index, state) in (configuration.sequences?.states ?? []).enumerated() {
      let key = "\(SequenceConfiguration.field).state[\(index)]"
      states.append(try pair(state, inputs, outputs, &taken, path: model + "/config.json", key))
    }
    for (index, state) in (configuration.generation?.feedback ?? []).enumerated() {
      let key = "\(GenerationConfiguration.field).feedback[\(index)]"
      feedback.append(try pair(state, inputs, outputs, &taken, path: model + "/config.json", key))
    }
  }

  private mutating func pair(
    _ state: SequenceConfiguration.State, _ inputs: [Session.Port], _ outputs: [Session.Port], _ taken: inout [Int],
    path: String, _ key: String
  ) throws(ServingError) -> Pair {
    guard let input = inputs.firstIndex(where: { $0.name == state.inputName }), !taken.contains(input) else {
      throw .configuration(path: path, reason: "\(key).input_name: the model has no such input, or it is named twice")
    }
    guard let output = outputs.firstIndex(where: { $0.name == state.outputName }) else {
      throw .configuration(path: path, reason: "\(key).output_name: the model has no such output")
    }
    let (to, from) = (inputs[input], outputs[output])
    guard to.elementType == from.elementType, to.shape == from.shape, to.quantization == from.quantization else {
      throw .configuration(
        path: path,
        reason: "\(key): \(from.name) is \(SequenceLayout.text(from)), and \(to.name) takes \(SequenceLayout.text(to))")
    }
    let (end, overflow) = byteCount.addingReportingOverflow(to.byteCount)
    guard !overflow, end <= Int.max / 4 else { throw .configuration(path: path, reason: "\(key): too large") }
    taken.append(input)
    let range = byteCount..<end
    byteCount = end
    let isByte = to.elementType == .uint8 || to.elementType == .int8
    let zero = isByte ? UInt8(truncatingIfNeeded: to.quantization?.zeroPoint ?? 0) : 0
    return Pair(input: input, output: output, range: range, zero: zero)
  }

  private static func text(_ port: Session.Port) -> String {
    let quantization = port.quantization.map { " (scale \($0.scale), zero point \($0.zeroPoint))" } ?? ""
    return port.elementType.name + " " + port.shape.description + quantization
  }
}
