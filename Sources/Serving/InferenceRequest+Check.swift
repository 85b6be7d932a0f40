import Protocols
import Runtime
import Tensors

extension InferenceRequest {
  /// Compares the request with the model; returns how many rows it brings: more than one where all inputs are `[n, …]` and the
  /// model's `[1, …]`. Errors: an input that is missing, unknown or of another type or shape, more rows than may be, an output that
  /// is unknown or asked for twice.
  func checkedRowCount(of model: LoadedModel, isStream: Bool) throws(ServingError) -> Int {
    if let ports = model.tablePorts {
      _ = try TableQuery(self, of: model, ports)
      return 1
    }
    let takesRows = model.takesRows && !isStream && !parameters.wantsProfile
    var rowCount: Int?
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
      guard let count = input.rowCount(of: port.shape), count == 1 || takesRows, count == rowCount ?? count else {
        throw .inputShape(input: port.name, expected: port.shape, actual: input.shape)
      }
      rowCount = count
    }
    let countMax = model.configuration.queue.batches.rowCountMax
    if let rowCount, rowCount > countMax {
      throw .rowsTooMany(model: model.name, count: rowCount, countMax: countMax)
    }
    for (index, output) in outputs.enumerated() {
      guard model.outputs.contains(where: { $0.name == output.name }) else {
        throw .outputUnknown(model: model.name, output: output.name)
      }
      guard !outputs[..<index].contains(where: { $0.name == output.name }) else {
        throw .outputRepeated(output: output.name)
      }
    }
    return rowCount ?? 1
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
