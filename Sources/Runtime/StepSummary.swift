import ModelFile
import Tensors

extension Session {
  /// What one step is, for profiles.
  public struct StepSummary: Sendable {
    public let name: String
    public let outputShape: Shape
    public let multiplyAdds: Int

    /// One entry a step; a reshape is no step, a channel multiplier is one of its own, and so is a whole chain.
    static func summaries(of graph: Graph, _ chains: [Chain]) -> [StepSummary] {
      var summaries: [StepSummary] = []
      let steps = ChainSteps(chains, operatorCount: graph.operators.count)
      for (index, step) in graph.operators.enumerated() {
        if let chain = steps.chain(of: index) {
          if index + 1 == chain.operators.upperBound { summaries.append(StepSummary(graph, chain)) }
          continue
        }
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

    private init(name: String, outputShape: Shape, multiplyAdds: Int) {
      self.name = name
      self.outputShape = outputShape
      self.multiplyAdds = multiplyAdds
    }

    private init(_ graph: Graph, _ chain: Chain) {
      let members = graph.operators[chain.operators]
      self.init(
        name: "\(members.first!.name)…\(members.last!.name) (\(members.count) operators, striped)",
        outputShape: graph.tensors[members.last!.output].shape,
        multiplyAdds: members.reduce(0) { $0 + $1.operation.multiplyAdds })
    }
  }
}
