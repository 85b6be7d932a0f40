import Memory
import ModelFile

/// What an inference takes at full speed, estimated from the graph: for comparing plans, within some ten per cent.
struct CostModel {
  let rates: DeviceRates
  let threadCount: Int
  /// Whether the weights are more than a core's own cache keeps from one inference to the next: then they come from farther
  /// away, and that adds to the time to compute.
  private let isLarge: Bool

  private static let cachedByteCountMax = 1 << 20

  init(rates: DeviceRates, threadCount: Int, _ graph: Graph) {
    self.rates = rates
    self.threadCount = threadCount
    isLarge = graph.blobs.reduce(0) { $0 + $1.byteCount } > CostModel.cachedByteCountMax
  }

  /// Starting a step, and waiting for the other threads.
  private var stepNanoseconds: Double { threadCount > 1 ? 300 : 100 }

  func nanoseconds(_ graph: Graph) -> Double {
    graph.operators.reduce(0) { $0 + nanoseconds($1, graph) }
  }

  /// How many times faster all threads must be than one: less is lost as soon as another program wants a core.
  private static let gainMin = 1.25

  /// Whether other threads save too little time for what they cost.
  static func isFasterAlone(_ graph: Graph, rates: DeviceRates, threadCount: Int) -> Bool {
    CostModel(rates: rates, threadCount: 1, graph).nanoseconds(graph)
      <= gainMin * CostModel(rates: rates, threadCount: threadCount, graph).nanoseconds(graph)
  }

  func nanoseconds(_ step: Operator, _ graph: Graph) -> Double {
    if case .reshape = step.operation { return 0 }
    return work(step, graph) / Double(threadCount) + stepNanoseconds
  }

  /// Nanoseconds of one thread.
  private func work(_ step: Operator, _ graph: Graph) -> Double {
    let output = Double(graph.tensors[step.output].byteCount)
    switch step.operation {
    case .convolution(let convolution):
      // Kernels compute whole panels of 16 channels and whole groups of 4 inputs.
      let geometry = convolution.geometry
      let pixels = Double(geometry.batches * geometry.outputHeight * geometry.outputWidth)
      let weights = Double(convolution.panelCount * convolution.panelByteCount)
      let computing = pixels * rates.multiplyAddNanoseconds
      let perWeight =
        isLarge ? computing + rates.weightNanosecondsPerByte : max(computing, rates.weightNanosecondsPerByte)
      return weights * perWeight + output * rates.outputNanoseconds
    case .depthwiseConvolution:
      return Double(step.operation.multiplyAdds) * rates.depthwiseMultiplyAddNanoseconds
    case .softmax: return output * 20
    case .resize: return output * 1.5
    case .mean, .pool, .argExtreme:
      return Double(step.inputs.reduce(0) { $0 + graph.tensors[$1].byteCount }) * rates.byteNanoseconds * 2
    default: return output * rates.byteNanoseconds * Double(max(1, step.inputs.count))
    }
  }
}
