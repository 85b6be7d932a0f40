import CKernels
import Memory
import ModelFile
import Tensors

/// Turns a validated graph's operators into steps whose places and kernels are resolved.
struct StepBuilder {
  let graph: Graph
  let plan: Plan
  let kernels: Kernels
  let weights: WeightStore
  /// Memory of `plan.tableByteCount` bytes.
  let tables: UnsafeMutableRawPointer
  private let chains: ChainSteps
  /// For each tensor the operator that writes it; −1 for none.
  private let writers: [Int]

  init(graph: Graph, plan: Plan, kernels: Kernels, weights: WeightStore, tables: UnsafeMutableRawPointer) {
    self.graph = graph
    self.plan = plan
    self.kernels = kernels
    self.weights = weights
    self.tables = tables
    chains = ChainSteps(plan.chains, operatorCount: graph.operators.count)
    var writers = graph.tensors.map { _ in -1 }
    for (index, step) in graph.operators.enumerated() { writers[step.output] = index }
    self.writers = writers
  }

  func build() -> [any Step] {
    var steps: [any Step] = []
    var index = 0
    while index < graph.operators.count {
      if let chain = chains.chain(of: index) {
        steps.append(stripedStep(chain))
        index = chain.operators.upperBound
      } else {
        append(graph.operators[index], index, to: &steps)
        index += 1
      }
    }
    return steps
  }

  private func stripedStep(_ chain: Chain) -> StripedStep {
    var members: [any RowStep] = []
    var layers: [LayerWeights] = []
    for index in chain.operators {
      let step = graph.operators[index]
      members.append(rowStep(step, index)!)  // `rowWindows` has what `rowStep` has
      if let blob = step.operation.weights { layers.append(weights.layer(of: blob)) }
    }
    return StripedStep(chain, members: members, weights: layers)
  }

  private func place(_ tensor: Int) -> TensorPlace {
    if let blob = graph.tensors[tensor].constant {
      return TensorPlace(constant: weights.fixedBytes(of: blob).baseAddress!)
    }
    let offset = plan.tensorOffsets[tensor]!
    let writer = writers[tensor]
    guard writer >= 0, let rows = chains.chain(of: writer)?.ringRowCount(of: writer) else {
      return TensorPlace(arenaOffset: offset)
    }
    let info = graph.tensors[tensor]
    return TensorPlace(
      arenaOffset: offset, ringRowCount: rows, rowByteCount: info.byteCount / info.pictureRowCount!)
  }

  private func append(_ step: Operator, _ index: Int, to steps: inout [any Step]) {
    switch step.operation {
    case .depthwiseConvolution(let convolution):
      var input = place(step.inputs[0])
      if let offset = plan.repeatedInputOffsets[index] {
        let geometry = convolution.geometry
        let repeated = TensorPlace(arenaOffset: offset)
        steps.append(
          ChannelRepeatStep(
            count: geometry.batches * geometry.inputHeight * geometry.inputWidth * geometry.inputChannels,
            multiplier: geometry.outputChannels / geometry.inputChannels, input: input, output: repeated))
        input = repeated
      }
      steps.append(depthwiseStep(convolution, index, input: input, output: place(step.output)))
    case .mean(let mean):
      steps.append(
        MeanStep(
          mean, kernels: kernels, input: place(step.inputs[0]), output: place(step.output),
          placeholder: tables.assumingMemoryBound(to: UInt8.self)))
    case .copy(let copy): steps.append(copyStep(copy, step))
    case .reshape:
      // The output is the operand's buffer, unless the operand is constant.
      if graph.tensors[step.inputs[0]].constant != nil {
        let region = Copy.Region(
          operand: 0, sourceOffset: 0, destinationOffset: 0, extents: [], sourceStrides: [], destinationStrides: [],
          runByteCount: graph.tensors[step.output].byteCount)
        steps.append(copyStep(Copy(fill: nil, regions: [region]), step))
      }
    default: if let step = rowStep(step, index) { steps.append(step) }
    }
  }

  private func copyStep(_ copy: Copy, _ step: Operator) -> CopyStep {
    CopyStep(
      copy, inputs: step.inputs.map { place($0) }, output: place(step.output),
      outputByteCount: graph.tensors[step.output].byteCount)
  }

  /// The step of an operator that can run by rows; nil for others.
  private func rowStep(_ step: Operator, _ index: Int) -> (any RowStep)? {
    let output = place(step.output)
    let info = graph.tensors[step.output]
    let input = place(step.inputs[0])
    // Outside chains what has no rows of its own is one row.
    let rowCount = chains.contains(index) ? info.pictureRowCount! : 1
    let elementsPerRow = info.shape.elementCount / rowCount
    switch step.operation {
    case .convolution(let convolution):
      return ConvolutionStep(
        convolution, kernels: kernels, input: input, output: output, weights: weights.layer(of: convolution.weights),
        channels: channelBlocks(convolution, index, panelByteCount: convolution.panelByteCount),
        zeroRow: zeroRow(convolution),
        scratch: .init(
          offset: plan.scratchOffsets[index]!, byteCountPerThread: ConvolutionStep.scratchByteCount(convolution),
          runs: convolution.packedRuns.runs))
    case .depthwiseConvolution(let convolution):
      return depthwiseStep(convolution, index, input: input, output: output)
    case .arithmetic(let arithmetic):
      return ArithmeticStep(
        arithmetic, rowCount: rowCount, kernels: kernels, first: input, second: place(step.inputs[1]), output: output)
    case .pool(let pool):
      return PoolStep(
        pool, kernels: kernels, input: input, output: output, scratchOffset: plan.scratchOffsets[index] ?? 0)
    case .softmax(let softmax):
      return SoftmaxStep(softmax, rowCount: rowCount, kernels: kernels, input: input, output: output)
    case .lookup(let table):
      return LookupStep(
        table: table, rowCount: rowCount, elementsPerRow: elementsPerRow, kernels: kernels, input: input, output: output
      )
    case .quantize(let scale, let zeroPoint):
      return QuantizeStep(
        scale: scale, zeroPoint: zeroPoint, rowCount: rowCount, elementsPerRow: elementsPerRow, kernels: kernels,
        input: input, output: output)
    case .dequantize(let scale, let zeroPoint):
      return DequantizeStep(
        scale: scale, zeroPoint: zeroPoint, rowCount: rowCount, elementsPerRow: elementsPerRow, kernels: kernels,
        input: input, output: output)
    case .resize(let resize): return ResizeStep(resize, kernels: kernels, input: input, output: output)
    case .argExtreme(let extreme):
      return ArgExtremeStep(
        extreme, rowCount: rowCount, indexBytes: info.elementType.byteCount, kernels: kernels, input: input,
        output: output)
    case .mean, .copy, .reshape: return nil
    }
  }

  private func depthwiseStep(
    _ convolution: Convolution, _ index: Int, input: TensorPlace, output: TensorPlace
  ) -> DepthwiseStep {
    DepthwiseStep(
      convolution, kernels: kernels, input: input, output: output, weights: weights.layer(of: convolution.weights),
      channels: channelBlocks(convolution, index, panelByteCount: convolution.depthwisePanelByteCount),
      zeroRow: zeroRow(convolution), scratchOffset: plan.scratchOffsets[index]!)
  }

  private func channelBlocks(_ convolution: Convolution, _ index: Int, panelByteCount: Int) -> ChannelBlocks {
    ChannelBlocks(
      convolution, panelByteCount: panelByteCount,
      wantsSignedActivations: kernels.table.pointee.wants_signed_activations,
      in: tables + plan.channelBlockOffsets[index]!)
  }

  private func zeroRow(_ convolution: Convolution) -> TensorPlace {
    TensorPlace(constant: UnsafeRawPointer(tables + plan.zeroRowOffset(of: convolution.inputZeroPoint)))
  }
}
