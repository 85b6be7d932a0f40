import ModelFile
import Tensors

extension Session {
  /// What one operator is, for profiles.
  public struct OperatorSummary: Sendable {
    /// The source format's name.
    public let name: String
    public let outputShape: Shape
    public let multiplyAdds: Int
    /// Bytes that it must read and write: operands and output once each, without weights.
    public let tensorByteCount: Int
    /// Height and width of the window, and its strides; 0 where there is none.
    public private(set) var window = SIMD4<UInt16>()
    /// The blob of its weights; −1 where it has none.
    let weights: Int32
    /// Number of the chain of operators that runs stripe by stripe with it; −1 for none.
    private let chainNumber: Int32

    /// Operators with the same one run together, stripe by stripe.
    public var chain: Int? { chainNumber < 0 ? nil : Int(chainNumber) }
    public var hasWeights: Bool { weights >= 0 }

    /// As in `3×3/2`: height and width of the window, and the stride where it is not 1; empty where there is no window.
    public var windowText: String {
      if window[0] == 0 { return "" }
      let stride = window[2] == window[3] ? "/\(window[2])" : "/\(window[2])×\(window[3])"
      return "\(window[0])×\(window[1])" + (stride == "/1" ? "" : stride)
    }

    /// One entry for each that takes time, in the order of the steps; a reshape takes none, a channel multiplier is one of its own.
    static func summaries(of graph: Graph, _ chains: [Chain]) -> [OperatorSummary] {
      var summaries: [OperatorSummary] = []
      for (index, step) in graph.operators.enumerated() {
        let chain = chains.firstIndex { $0.operators.contains(index) }
        if case .reshape = step.operation, graph.tensors[step.inputs[0]].constant == nil { continue }
        if case .depthwiseConvolution(let convolution) = step.operation,
          convolution.geometry.inputChannels != convolution.geometry.outputChannels
        {
          summaries.append(OperatorSummary(channelsOf: step, graph))
        }
        summaries.append(OperatorSummary(step, graph, chain))
      }
      return summaries
    }

    private init(_ step: Operator, _ graph: Graph, _ chain: Int?) {
      name = step.name
      outputShape = graph.tensors[step.output].shape
      multiplyAdds = step.operation.multiplyAdds
      tensorByteCount = step.inputs.reduce(graph.tensors[step.output].byteCount) { $0 + graph.tensors[$1].byteCount }
      weights = Int32(step.operation.weights ?? -1)
      chainNumber = Int32(chain ?? -1)
      switch step.operation {
      case .convolution(let convolution), .depthwiseConvolution(let convolution): setWindow(convolution.geometry)
      case .pool(let pool): setWindow(pool.geometry)
      default: break
      }
    }

    private init(channelsOf step: Operator, _ graph: Graph) {
      name = step.name + " channels"
      outputShape = graph.tensors[step.output].shape
      multiplyAdds = 0
      tensorByteCount = graph.tensors[step.inputs[0]].byteCount + graph.tensors[step.output].byteCount
      weights = -1
      chainNumber = -1
    }

    private mutating func setWindow(_ geometry: WindowGeometry) {
      window = SIMD4(
        UInt16(clamping: geometry.kernelHeight), UInt16(clamping: geometry.kernelWidth),
        UInt16(clamping: geometry.strideHeight), UInt16(clamping: geometry.strideWidth))
    }
  }
}
