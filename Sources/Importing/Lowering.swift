import ModelFile
import Tensors

/// A model as the container stores it: the graph, and the decoded bytes of each of its blobs.
public struct ImportedModel: Sendable {
  public var graph: Graph
  /// `payloads[i]` are the bytes of `graph.blobs[i]`, which has no tiles yet.
  public var payloads: [[UInt8]]

  public init(graph: Graph, payloads: [[UInt8]]) {
    self.graph = graph
    self.payloads = payloads
  }
}

/// Lowers a quantized TFLite model to a graph.
///
/// - Parameters:
///   - bytes: the .tflite file; hostile bytes give an error.
///   - name: what the graph calls itself.
///   - batch: the size of an open first dimension of the inputs, > 0; 1 where nil.
///   - payloadBytesMax: the most that packed weights and constants may take.
/// - Throws: what the file holds that cannot be lowered.
public func importTFLite(
  _ bytes: UnsafeRawBufferPointer, name: String, batch: Int? = nil, payloadBytesMax: Int = .max
) throws(ImportError) -> ImportedModel {
  var builder = GraphBuilder(model: try TFLiteModel(bytes), name: name, payloadBytesMax: payloadBytesMax)
  try builder.addInputs(batch: batch)
  for node in builder.model.operators { try builder.lower(node) }
  try builder.addOutputs()
  builder.removeUnusedTensors()
  do {
    try builder.graph.validate()
  } catch {
    throw .invalidGraph(error.message)
  }
  return ImportedModel(graph: builder.graph, payloads: builder.payloads)
}

/// Bytes of memory that importing takes besides the file and the payloads, for the memory budget. Nothing is allocated to tell.
///
/// - Throws: what the file holds that cannot be imported.
public func importingByteCount(
  _ bytes: UnsafeRawBufferPointer, payloadBytesMax: Int
) throws(ImportError) -> Int {
  try TFLiteModel.recordByteCount(bytes) + ImportLimits.channelBytesMax(payloadBytesMax: payloadBytesMax)
}

extension GraphBuilder {
  /// Appends the operators that compute what `node` does.
  mutating func lower(_ node: TFLiteOperator) throws(ImportError) {
    guard let kind = node.kind else { throw .unsupportedOperator(name: node.name, index: node.index) }
    switch kind {
    case .convolution: try lowerConvolution(node)
    case .depthwiseConvolution: try lowerDepthwiseConvolution(node)
    case .fullyConnected: try lowerFullyConnected(node)
    case .add: try lowerArithmetic(node, .add)
    case .subtract: try lowerArithmetic(node, .subtract)
    case .multiply: try lowerArithmetic(node, .multiply)
    case .averagePool: try lowerPool(node, .average)
    case .maxPool: try lowerPool(node, .maximum)
    case .mean: try lowerMean(node)
    case .softmax: try lowerSoftmax(node)
    case .relu: try lowerRelu(node, low: 0, high: nil)
    case .relu6: try lowerRelu(node, low: 0, high: 6)
    case .reluMinus1To1: try lowerRelu(node, low: -1, high: 1)
    case .leakyRelu: try lowerLeakyRelu(node)
    case .hardSwish: try lowerHardSwish(node)
    case .logistic: try lowerFloatFunction(node) { 1 / (1 + Float(exponential(Double(-$0)))) }
    case .tanh: try lowerFloatFunction(node) { Float(hyperbolicTangent(Double($0))) }
    case .quantize: try lowerQuantize(node)
    case .dequantize: try lowerDequantize(node)
    case .resizeBilinear: try lowerResize(node, isBilinear: true)
    case .resizeNearestNeighbor: try lowerResize(node, isBilinear: false)
    case .argMax: try lowerArgExtreme(node, takesMinimum: false)
    case .argMin: try lowerArgExtreme(node, takesMinimum: true)
    case .reshape: try lowerReshape(node)
    case .squeeze: try lowerSqueeze(node)
    case .expandDims: try lowerExpandDims(node)
    case .pad, .padWithValue: try lowerPad(node)
    case .concatenation: try lowerConcatenation(node)
    case .split: try lowerSplit(node)
    case .splitBySizes: try lowerSplitBySizes(node)
    case .slice: try lowerSlice(node)
    case .stridedSlice: try lowerStridedSlice(node)
    case .transpose: try lowerTranspose(node)
    case .tile: try lowerTile(node)
    case .pack: try lowerPack(node)
    case .unpack: try lowerUnpack(node)
    }
  }
}
