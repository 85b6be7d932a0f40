import Memory
import ModelFile

/// What an inference takes at full speed, estimated from the graph: for comparing plans, within some ten per cent.
struct CostModel {
  let rates: DeviceRates
  let threadCount: Int

  /// Starting a step and waiting for the other threads.
  private static let stepNanoseconds = 500.0

  func nanoseconds(_ graph: Graph) -> Double {
    graph.operators.reduce(0) { $0 + nanoseconds($1, graph) }
  }

  func nanoseconds(_ step: Operator, _ graph: Graph) -> Double {
    if case .reshape = step.operation { return 0 }
    return work(step, graph) / Double(threadCount) + CostModel.stepNanoseconds
  }

  /// Nanoseconds of one thread.
  private func work(_ step: Operator, _ graph: Graph) -> Double {
    let output = Double(graph.tensors[step.output].byteCount)
    switch step.operation {
    case .convolution(let convolution):
      // Kernels compute whole panels of 16 channels and whole groups of 4 inputs.
      let geometry = convolution.geometry
      let pixels = Double(geometry.batches * geometry.outputHeight * geometry.outputWidth)
      return pixels * Double(convolution.panelCount * convolution.panelByteCount) * rates.multiplyAddNanoseconds
        + output * rates.byteNanoseconds
    case .depthwiseConvolution:
      return Double(step.operation.multiplyAdds) * rates.depthwiseMultiplyAddNanoseconds + output
        * rates.byteNanoseconds
    case .softmax: return output * 20
    case .resize: return output * 1.5
    case .mean, .pool, .argExtreme:
      return Double(step.inputs.reduce(0) { $0 + graph.tensors[$1].byteCount }) * rates.byteNanoseconds * 2
    default: return output * rates.byteNanoseconds * Double(max(1, step.inputs.count))
    }
  }
}
