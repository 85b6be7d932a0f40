import ModelFile
import Tensors

extension Session {
  /// What one step is, for profiles.
  public struct StepSummary: Sendable {
    public let name: String
    public let outputShape: Shape
    public let multiplyAdds: Int

    /// One entry a step; a reshape is no step, and a channel multiplier is one of its own.
    static func summaries(of graph: Graph) -> [StepSummary] {
      var summaries: [StepSummary] = []
      for step in graph.operators {
        let shape = graph.tensors[step.output].shape
        if case .reshape = step.operation, graph.tensors[step.inputs[0]].constant == nil { continue }
        if case .depthwiseConvolution(let convolution) = step.operation,
          convolution.geometry.inputChannels != convolution.geometry.outputChannels
        {
          summaries.append(StepSummary(name: step.name + " channels", outputShape: shape, multiplyAdds: 0))
        }
        summaries.append(StepSummary(name: step.name, outputShape: shape, multiplyAdds: step.operation.multiplyAdds))
      }
      return summaries
    }
  }
}
