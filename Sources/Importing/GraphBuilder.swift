import ModelFile
import Tensors

/// The graph under construction: which graph tensor stands for which tensor of the file, and what has been emitted.
struct GraphBuilder {
  let model: TFLiteModel
  var graph: Graph
  var payloads: [[UInt8]] = []
  var payloadBytes = 0
  let payloadBytesMax: Int
  private var channelBytes = 0
  /// Graph tensor of each tensor of the file that has a value.
  var values: [Int?]
  /// Tensor of the file that each graph tensor was made for; −1 for temporaries.
  var owners: [Int] = []
  /// How many operators and outputs of the file read each of its tensors.
  private(set) var readerCounts: [Int]
  /// Packed weights already made, so that operators with the same ones share a blob.
  var sharedBlobs: [BlobKey: Int] = [:]
  /// Pictures that a PAD has put a margin around, by the graph tensor it writes.
  var margins: [Int: Margin] = [:]
  /// The batch asked for differs from the declared one, so declared shapes no longer tell anything.
  var isBatchChanged = false

  /// What a blob was made from: equal keys, equal bytes.
  struct BlobKey: Hashable {
    var tensor: Int
    var packing: [Int]
  }

  /// A margin of one byte around pictures (N,H,W,C).
  struct Margin {
    var source: Operand
    var fill: UInt8
    var top: Int
    var left: Int
  }

  init(model: TFLiteModel, name: String, payloadBytesMax: Int) {
    self.model = model
    self.payloadBytesMax = min(payloadBytesMax, ImportLimits.payloadBytesMax(fileBytes: model.fileBytes))
    graph = Graph(name: name, tensors: [], operators: [], inputs: [], outputs: [], blobs: [])
    values = Array(repeating: nil, count: model.tensors.count)
    readerCounts = Array(repeating: 0, count: model.tensors.count)
    for list in [model.outputs] + model.operators.map({ $0.inputs }) {
      for tensor in list where readerCounts.indices.contains(tensor) { readerCounts[tensor] += 1 }
    }
  }

  // MARK: Graph inputs and outputs

  mutating func addInputs(batch: Int?) throws(ImportError) {
    for tensor in model.inputs {
      let declared = model.tensors[tensor]
      guard values[tensor] == nil else { throw .duplicateInput(tensor: declared.name) }
      var dimensions = declared.shape
      let signature = declared.signature ?? dimensions
      for (axis, dimension) in signature.enumerated() where dimension < 0 || axis >= dimensions.count {
        guard axis == 0, dimensions.count == signature.count else {
          throw .unknownDimension(tensor: declared.name, axis: axis)
        }
        if let batch, dimensions[0] != batch { isBatchChanged = true }
        dimensions[0] = batch ?? 1
      }
      if let batch, let first = dimensions.first, first != batch {
        throw .fixedBatch(tensor: declared.name, batch: first, requested: batch)
      }
      let operand = try describe(tensor, shape: Shape(dimensions))
      graph.inputs.append(addTensor(operand, owner: tensor))
      values[tensor] = graph.inputs[graph.inputs.count - 1]
    }
  }

  mutating func addOutputs() throws(ImportError) {
    for tensor in model.outputs {
      let name = model.tensors[tensor].name
      guard let value = values[tensor] else { throw .outputMissing(tensor: name) }
      let isProduced = !graph.inputs.contains(value) && graph.tensors[value].constant == nil
      let output = try describe(tensor, shape: graph.tensors[value].shape)
      if isProduced, owners[value] == tensor || !model.outputs.contains(owners[value]) {
        // A tensor that stands for several takes the output's name and type: its bytes are the same.
        graph.tensors[value] = info(of: output)
        owners[value] = tensor
        graph.outputs.append(value)
      } else {
        let copy = addTensor(output, owner: tensor)
        graph.operators.append(Operator(name: "RESHAPE", operation: .reshape, inputs: [value], output: copy))
        graph.outputs.append(copy)
      }
    }
  }

  /// Takes tensors that nothing reads or writes out of the table.
  mutating func removeUnusedTensors() {
    var isUsed = [Bool](repeating: false, count: graph.tensors.count)
    for tensor in graph.inputs + graph.outputs { isUsed[tensor] = true }
    for step in graph.operators { for tensor in step.inputs + [step.output] { isUsed[tensor] = true } }
    var position = [Int](repeating: 0, count: graph.tensors.count)
    var kept: [TensorInfo] = []
    for (index, tensor) in graph.tensors.enumerated() where isUsed[index] {
      position[index] = kept.count
      kept.append(tensor)
    }
    graph.tensors = kept
    graph.inputs = graph.inputs.map { position[$0] }
    graph.outputs = graph.outputs.map { position[$0] }
    for index in graph.operators.indices {
      graph.operators[index].inputs = graph.operators[index].inputs.map { position[$0] }
      graph.operators[index].output = position[graph.operators[index].output]
    }
  }

  // MARK: Tensors

  /// A tensor of the file with a shape, once type and size have been checked.
  func describe(_ tensor: Int, shape: Shape) throws(ImportError) -> Operand {
    let declared = model.tensors[tensor]
    guard let type = declared.elementType, !declared.isSparse, !declared.isVariable else {
      throw .unsupportedElementType(tensor: declared.name, code: declared.typeCode)
    }
    guard shape.dimensions.allSatisfy({ $0 > 0 }), let count = shape.checkedElementCount,
      count <= ImportLimits.tensorBytesMax / type.byteCount
    else { throw .tooLarge(tensor: declared.name, shape: shape) }
    return Operand(
      tensor: tensor, name: declared.name, type: type, shape: shape,
      quantization: type.isQuantizedByte ? quantization(of: declared, type: type) : nil)
  }

  /// Scale and zero point of a tensor that is quantized as a whole; nil where it is not, or not sensibly.
  private func quantization(of tensor: TFLiteTensor, type: ElementType) -> Quantization? {
    guard let scales = tensor.scales, scales.count == 1, tensor.zeroPoints?.count ?? 1 == 1 else { return nil }
    let scale = scales.float(0)
    let zeroPoint = tensor.zeroPoints?.int64(0) ?? 0
    guard scale > 0, scale.isFinite, (type == .int8 ? -128...127 : 0...255).contains(zeroPoint) else { return nil }
    return Quantization(scale: scale, zeroPoint: Int32(zeroPoint))
  }

  private func info(of operand: Operand) -> TensorInfo {
    TensorInfo(
      name: operand.name, elementType: operand.type, shape: operand.shape, quantization: operand.quantization)
  }

  mutating func addTensor(_ operand: Operand, owner: Int) -> Int {
    graph.tensors.append(info(of: operand))
    owners.append(owner)
    return graph.tensors.count - 1
  }

  /// The graph tensor of an operand; a constant gets one, with its bytes in the unsigned domain, when first used.
  mutating func value(of operand: Operand) throws(ImportError) -> Int {
    if let value = values[operand.tensor] { return value }
    var bytes = [UInt8](try constantBytes(operand))
    if operand.type == .int8 { for index in bytes.indices { bytes[index] ^= 0x80 } }
    let value = addTensor(operand, owner: operand.tensor)
    graph.tensors[value].constant = try addBlob(bytes)
    values[operand.tensor] = value
    return value
  }

  mutating func addBlob(_ bytes: [UInt8]) throws(ImportError) -> Int {
    try reservePayload(bytes.count)
    graph.blobs.append(Blob(byteCount: bytes.count, tiles: []))
    payloads.append(bytes)
    return payloads.count - 1
  }

  /// Counts bytes that are about to be packed against the limit.
  mutating func reservePayload(_ byteCount: Int) throws(ImportError) {
    payloadBytes += byteCount
    guard payloadBytes <= payloadBytesMax else {
      throw .payloadTooLarge(bytes: payloadBytes, bytesMax: payloadBytesMax)
    }
  }

  /// Counts a convolution's channels: operators may share weights, but each has its own.
  mutating func reserveChannels(_ count: Int) throws(ImportError) {
    channelBytes += count * ImportLimits.channelRecordBytes
    let bytesMax = ImportLimits.channelBytesMax(payloadBytesMax: payloadBytesMax)
    guard channelBytes <= bytesMax else { throw .payloadTooLarge(bytes: channelBytes, bytesMax: bytesMax) }
  }

  // MARK: Constants

  /// The bytes of a constant, as many as its shape says.
  func constantBytes(_ operand: Operand) throws(ImportError) -> UnsafeRawBufferPointer {
    let data = model.tensors[operand.tensor].data
    guard let data, data.count == operand.byteCount else {
      throw .constantSize(tensor: operand.name, bytes: data?.count ?? 0, expected: operand.byteCount)
    }
    return data
  }
}
