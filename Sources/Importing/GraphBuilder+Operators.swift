import ModelFile
import Tensors

/// What lowering functions ask of an operator of the file, with every index checked.
extension GraphBuilder {
  func fail(_ node: TFLiteOperator, _ reason: OperatorProblem) -> ImportError {
    .operatorRejected(name: node.name, index: node.index, reason: reason)
  }

  func options(of node: TFLiteOperator) throws(ImportError) -> FlatTable {
    guard let options = node.options else { throw fail(node, .missingOptions) }
    return options
  }

  /// Whether an optional operand is there.
  func hasInput(_ node: TFLiteOperator, _ position: Int) -> Bool {
    position < node.inputs.count && node.inputs[position] >= 0
  }

  /// Operand `position`: a value that exists already or a constant.
  func input(_ node: TFLiteOperator, _ position: Int) throws(ImportError) -> Operand {
    guard hasInput(node, position) else { throw fail(node, .operandCount(node.inputs.count)) }
    let tensor = node.inputs[position]
    guard tensor < model.tensors.count else {
      throw .noSuchEntry("tensor", index: tensor, count: model.tensors.count)
    }
    let declared = model.tensors[tensor]
    if let value = values[tensor] { return try describe(tensor, shape: graph.tensors[value].shape) }
    guard declared.data != nil else { throw fail(node, .operandNotReady(tensor: declared.name)) }
    return try describe(tensor, shape: Shape(declared.shape))
  }

  /// Output `position`, with its declared shape still unchecked.
  func output(_ node: TFLiteOperator, _ position: Int = 0) throws(ImportError) -> Operand {
    guard position < node.outputs.count else { throw fail(node, .outputCount(node.outputs.count)) }
    let tensor = node.outputs[position]
    guard model.tensors.indices.contains(tensor) else {
      throw .noSuchEntry("tensor", index: tensor, count: model.tensors.count)
    }
    let declared = model.tensors[tensor]
    guard values[tensor] == nil, declared.data == nil else { throw fail(node, .outputTaken(tensor: declared.name)) }
    return try describe(tensor, shape: Shape([]))
  }

  /// A byte operand with one scale and zero point.
  func quantized(_ node: TFLiteOperator, _ operand: Operand) throws(ImportError) -> Operand {
    guard operand.type.isQuantizedByte else {
      throw fail(node, .elementType(tensor: operand.name, type: operand.type))
    }
    guard operand.quantization != nil else {
      let declared = model.tensors[operand.tensor]
      let zeroPoint = (declared.zeroPoints?.count ?? 0) > 0 ? Int(truncatingIfNeeded: declared.zeroPoints!.int64(0)) : 0
      throw .badQuantization(tensor: operand.name, scales: declared.scales?.count ?? 0, zeroPoint: zeroPoint)
    }
    return operand
  }

  /// Input 0 and output 0, both quantized bytes of one type.
  func quantizedPair(_ node: TFLiteOperator) throws(ImportError) -> (input: Operand, output: Operand) {
    let input = try quantized(node, try input(node, 0))
    let output = try quantized(node, try output(node))
    guard input.type == output.type else { throw fail(node, .elementType(tensor: output.name, type: output.type)) }
    return (input, output)
  }

  /// Input `position` and output 0, of one type whatever it is.
  func movedPair(_ node: TFLiteOperator, _ position: Int = 0) throws(ImportError) -> (input: Operand, output: Operand) {
    let input = try input(node, position)
    let output = try output(node)
    guard input.type == output.type else { throw fail(node, .elementType(tensor: output.name, type: output.type)) }
    return (input, output)
  }

  /// Refuses operands that are computed, or that the caller gives.
  func requireConstant(_ node: TFLiteOperator, _ operand: Operand) throws(ImportError) {
    let isComputed = values[operand.tensor].map { graph.tensors[$0].constant == nil } ?? false
    guard !isComputed, model.tensors[operand.tensor].data != nil else {
      throw fail(node, .notConstant(tensor: operand.name))
    }
  }

  /// The elements of a constant int32 or int64 operand, which may be empty.
  func constantIntegers(_ node: TFLiteOperator, _ position: Int) throws(ImportError) -> [Int] {
    guard hasInput(node, position) else { throw fail(node, .operandCount(node.inputs.count)) }
    let tensor = node.inputs[position]
    guard tensor < model.tensors.count else {
      throw .noSuchEntry("tensor", index: tensor, count: model.tensors.count)
    }
    let declared = model.tensors[tensor]
    guard values[tensor] == nil || graph.tensors[values[tensor]!].constant != nil else {
      throw fail(node, .notConstant(tensor: declared.name))
    }
    if declared.shape.contains(0), declared.shape.allSatisfy({ $0 >= 0 }) { return [] }
    guard declared.data != nil else { throw fail(node, .notConstant(tensor: declared.name)) }
    let operand = try describe(tensor, shape: Shape(declared.shape))
    guard operand.type == .int32 || operand.type == .int64 else {
      throw fail(node, .elementType(tensor: operand.name, type: operand.type))
    }
    let bytes = try constantBytes(operand)
    var integers: [Int] = []
    let limit = 1 << 48  // beyond every size, so that sums of two cannot overflow
    for index in 0..<operand.shape.elementCount {
      if operand.type == .int32 {
        integers.append(Int(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self))))
      } else {
        let value = Int(Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: Int64.self)))
        integers.append(max(-limit, min(limit, value)))
      }
    }
    return integers
  }

  /// The one element of a constant integer operand.
  func constantInteger(_ node: TFLiteOperator, _ position: Int) throws(ImportError) -> Int {
    let integers = try constantIntegers(node, position)
    guard integers.count == 1 else { throw fail(node, .option("the count of a single number", integers.count)) }
    return integers[0]
  }

  /// `axis` counted from the front; negative ones count from the back of `rank` dimensions.
  func axis(_ axis: Int, rank: Int, of node: TFLiteOperator) throws(ImportError) -> Int {
    guard axis >= -rank, axis < rank else { throw fail(node, .axis(axis, rank: rank)) }
    return axis < 0 ? axis + rank : axis
  }

  func activation(_ number: Int, of node: TFLiteOperator) throws(ImportError) -> FusedActivation {
    guard let activation = FusedActivation(rawValue: number) else {
      throw fail(node, .option("the fused activation", number))
    }
    return activation
  }

  /// Appends an operator that writes `output` with the inferred `shape`.
  mutating func emit(
    _ node: TFLiteOperator, _ operation: Operation, inputs: [Int], output: Operand, shape: Shape
  ) throws(ImportError) {
    try checkDeclared(output, shape: shape)
    let value = addTensor(try describe(output.tensor, shape: shape), owner: output.tensor)
    values[output.tensor] = value
    graph.operators.append(Operator(name: node.name, operation: operation, inputs: inputs, output: value))
  }

  /// Compares an inferred shape with the declared one, where the file declares one and the batch is still its own.
  func checkDeclared(_ output: Operand, shape: Shape) throws(ImportError) {
    let declared = model.tensors[output.tensor]
    if declared.shape.isEmpty { return }
    let signature = declared.signature?.count == declared.shape.count ? declared.signature! : declared.shape
    guard shape.rank == declared.shape.count else {
      throw .shapeMismatch(tensor: output.name, declared: Shape(declared.shape), inferred: shape)
    }
    for axis in 0..<shape.rank where signature[axis] >= 0 && shape[axis] != declared.shape[axis] {
      if isBatchChanged, axis == 0 || declared.signature == nil { continue }
      throw .shapeMismatch(tensor: output.name, declared: Shape(declared.shape), inferred: shape)
    }
  }
}
