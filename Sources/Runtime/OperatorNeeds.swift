import ModelFile

/// What one operator needs besides its tensors.
struct OperatorNeeds {
  var scratchByteCountPerThread = 0
  var repeatedInputByteCount = 0
  var channelBlockByteCount = 0
  var zeroRow: Plan.ZeroRow?

  init(_ operation: Operation, isInChain: Bool) {
    switch operation {
    case .convolution(let convolution):
      scratchByteCountPerThread = ConvolutionStep.scratchByteCount(convolution)
      channelBlockByteCount = ChannelBlocks.byteCount(convolution)
      zeroRow = .init(value: convolution.inputZeroPoint, byteCount: ConvolutionStep.zeroRowByteCount(convolution))
    case .depthwiseConvolution(let convolution):
      let geometry = convolution.geometry
      scratchByteCountPerThread = DepthwiseStep.scratchByteCount(convolution)
      channelBlockByteCount = ChannelBlocks.byteCount(convolution)
      zeroRow = .init(value: convolution.inputZeroPoint, byteCount: DepthwiseStep.zeroRowByteCount(convolution))
      if geometry.outputChannels != geometry.inputChannels {
        repeatedInputByteCount = geometry.batches * geometry.inputHeight * geometry.inputWidth * geometry.outputChannels
      }
    case .pool(let pool) where isInChain: scratchByteCountPerThread = PoolStep.scratchByteCount(pool)
    default: break
    }
  }
}
