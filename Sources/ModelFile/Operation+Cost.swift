extension Operation {
  /// Multiplications and additions of one run, for convolutions; 0 for everything else.
  public var multiplyAdds: Int {
    switch self {
    case .convolution(let convolution):
      let g = convolution.geometry
      return g.batches * g.outputHeight * g.outputWidth * g.outputChannels * g.kernelHeight * g.kernelWidth
        * g.inputChannels
    case .depthwiseConvolution(let convolution):
      let g = convolution.geometry
      return g.batches * g.outputHeight * g.outputWidth * g.outputChannels * g.kernelHeight * g.kernelWidth
    default: return 0
    }
  }

  /// The blob with its weights.
  public var weights: Int? {
    switch self {
    case .convolution(let convolution), .depthwiseConvolution(let convolution): convolution.weights
    default: nil
    }
  }
}
