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

  func build() -> [any Step] {
    var steps: [any Step] = []
    for (index, step) in graph.operators.enumerated() { append(step, index, to: &steps) }
    return steps
  }

  private func place(_ tensor: Int) -> TensorPlace {
    if let blob = graph.tensors[tensor].constant {
      return TensorPlace(constant: weights.fixedBytes(of: blob).baseAddress!)
    }
    return TensorPlace(arenaOffset: plan.tensorOffsets[tensor]!)
  }

  private func append(_ step: Operator, _ index: Int, to steps: inout [any Step]) {
    var inputs: [TensorPlace] = []
    for input in step.inputs { inputs.append(place(input)) }
    let output = place(step.output)
    let info = graph.tensors[step.output]
    switch step.operation {
    case .convolution(let convolution):
      steps.append(
        ConvolutionStep(
          convolution, kernels: kernels, input: inputs[0], output: output,
          weights: weights.layer(of: convolution.weights), channels: channelBlocks(convolution, index),
          zeroRow: zeroRow(convolution),
          scratch: .init(
            offset: plan.scratchOffsets[index]!, byteCountPerThread: ConvolutionStep.scratchByteCount(convolution),
            runs: convolution.packedRuns.runs)))
    case .depthwiseConvolution(let convolution):
      appendDepthwise(convolution, index, input: inputs[0], output: output, to: &steps)
    case .arithmetic(let arithmetic):
      steps.append(
        ArithmeticStep(arithmetic, kernels: kernels, first: inputs[0], second: inputs[1], output: output))
    case .pool(let pool):
      steps.append(PoolStep(pool, kernels: kernels, input: inputs[0], output: output))
    case .mean(let mean):
      steps.append(
        MeanStep(
          mean, kernels: kernels, input: inputs[0], output: output,
          placeholder: tables.assumingMemoryBound(to: UInt8.self)))
    case .softmax(let softmax):
      steps.append(SoftmaxStep(softmax, kernels: kernels, input: inputs[0], output: output))
    case .lookup(let table):
      steps.append(
        LookupStep(table: table, count: info.byteCount, kernels: kernels, input: inputs[0], output: output))
    case .quantize(let scale, let zeroPoint):
      steps.append(
        QuantizeStep(
          scale: scale, zeroPoint: zeroPoint, count: info.byteCount, kernels: kernels, input: inputs[0], output: output)
      )
    case .dequantize(let scale, let zeroPoint):
      steps.append(
        DequantizeStep(
          scale: scale, zeroPoint: zeroPoint, count: info.shape.elementCount, kernels: kernels, input: inputs[0],
          output: output))
    case .resize(let resize):
      steps.append(ResizeStep(resize, kernels: kernels, input: inputs[0], output: output))
    case .argExtreme(let extreme):
      steps.append(
        ArgExtremeStep(
          extreme, indexBytes: info.elementType.byteCount, kernels: kernels, input: inputs[0], output: output))
    case .copy(let copy):
      steps.append(CopyStep(copy, inputs: inputs, output: output, outputByteCount: info.byteCount))
    case .reshape:
      // The output is the operand's buffer, unless the operand is constant.
      if graph.tensors[step.inputs[0]].constant != nil {
        let region = Copy.Region(
          operand: 0, sourceOffset: 0, destinationOffset: 0, extents: [], sourceStrides: [], destinationStrides: [],
          runByteCount: info.byteCount)
        steps.append(
          CopyStep(
            Copy(fill: nil, regions: [region]), inputs: inputs, output: output, outputByteCount: info.byteCount))
      }
    }
  }

  private func appendDepthwise(
    _ convolution: Convolution, _ index: Int, input: TensorPlace, output: TensorPlace, to steps: inout [any Step]
  ) {
    var input = input
    let geometry = convolution.geometry
    if let offset = plan.repeatedInputOffsets[index] {
      let repeated = TensorPlace(arenaOffset: offset)
      steps.append(
        ChannelRepeatStep(
          count: geometry.batches * geometry.inputHeight * geometry.inputWidth * geometry.inputChannels,
          multiplier: geometry.outputChannels / geometry.inputChannels, input: input, output: repeated))
      input = repeated
    }
    steps.append(
      DepthwiseStep(
        convolution, kernels: kernels, input: input, output: output,
        weights: weights.layer(of: convolution.weights), channels: channelBlocks(convolution, index),
        zeroRow: zeroRow(convolution), scratchOffset: plan.scratchOffsets[index]!))
  }

  private func channelBlocks(_ convolution: Convolution, _ index: Int) -> ChannelBlocks {
    ChannelBlocks(
      convolution, wantsSignedActivations: kernels.table.pointee.wants_signed_activations,
      in: tables + plan.channelBlockOffsets[index]!)
  }

  private func zeroRow(_ convolution: Convolution) -> TensorPlace {
    TensorPlace(constant: UnsafeRawPointer(tables + plan.zeroRowOffset(of: convolution.inputZeroPoint)))
  }
}
