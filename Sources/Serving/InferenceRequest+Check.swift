import Protocols
import Runtime
import Tensors

extension InferenceRequest {
  /// Compares the request with the model. Errors: an input that is missing, unknown or of another type or shape, an
  /// output that is unknown or asked for twice.
  func check(against model: LoadedModel) throws(ServingError) {
    if let ports = model.tablePorts {
      _ = try TableQuery(self, of: model, ports)
      return
    }
    for input in inputs where !model.inputs.contains(where: { $0.name == input.name }) {
      throw .inputUnknown(model: model.name, input: input.name)
    }
    for port in model.inputs {
      guard let input = inputs.first(where: { $0.name == port.name }) else {
        throw .inputMissing(model: model.name, input: port.name)
      }
      guard input.elementType == port.elementType else {
        throw .inputType(input: port.name, expected: port.elementType, actual: input.elementType)
      }
      guard input.shape == port.shape else {
        throw .inputShape(input: port.name, expected: port.shape, actual: input.shape)
      }
    }
    for (index, output) in outputs.enumerated() {
      guard model.outputs.contains(where: { $0.name == output.name }) else {
        throw .outputUnknown(model: model.name, output: output.name)
      }
      guard !outputs[..<index].contains(where: { $0.name == output.name }) else {
        throw .outputRepeated(output: output.name)
      }
    }
  }

  /// About the heap bytes that the request's own texts take.
  var keptByteCount: Int {
    (id?.utf8.count ?? 0)
      + inputs.reduce(0) {
        guard case .shared(let reference) = $1.payload else { return $0 + $1.name.utf8.count + 128 }
        return $0 + $1.name.utf8.count + reference.region.utf8.count + 128
      } + outputs.reduce(0) { $0 + $1.name.utf8.count + ($1.shared?.region.utf8.count ?? 0) + 64 }
  }
}
