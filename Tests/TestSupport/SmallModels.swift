import Importing
import ModelFile
import Tensors

/// A network of one operator: the sum of two inputs of one shape, at most 255.
public func sumModel(
  _ first: String, _ second: String, to output: String, shape: [Int], secondShape: [Int]? = nil,
  type: ElementType = .uint8
) -> ImportedModel {
  let half = FixedPointFactor(multiplier: 1 << 30, shift: 0)
  // An int8 tensor's zero is 128 in the unsigned domain.
  let zero: Int32 = type == .int8 ? 128 : 0
  let operation = Operation.arithmetic(
    Arithmetic(
      kind: .add, extents: [shape.reduce(1, *)], firstStrides: [1], secondStrides: [1], firstZeroPoint: zero,
      secondZeroPoint: zero, outputZeroPoint: zero, firstFactor: half, secondFactor: half,
      outputFactor: FixedPointFactor(multiplier: 1 << 30, shift: 18), clampMin: 0, clampMax: 255, fusedForm: nil))
  let quantization = Quantization(scale: 1, zeroPoint: 0)
  func tensor(_ name: String, _ shape: [Int]) -> TensorInfo {
    TensorInfo(name: name, elementType: type, shape: Shape(shape), quantization: quantization)
  }
  return ImportedModel(
    graph: Graph(
      name: "sum", tensors: [tensor(first, shape), tensor(second, secondShape ?? shape), tensor(output, shape)],
      operators: [Operator(name: "ADD", operation: operation, inputs: [0, 1], output: 2)], inputs: [0, 1],
      outputs: [2], blobs: []),
    payloads: [])
}
