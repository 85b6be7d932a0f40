import ModelFile
import Tensors

/// Windows as CONV_2D, DEPTHWISE_CONV_2D and the pools give them.
extension GraphBuilder {
  /// A window's extent, stride and dilation along one axis.
  struct WindowAxis {
    var kernel: Int
    var stride: Int
    var dilation = 1
  }

  /// Output size and padding before the first element along one axis (TFLite's ComputePaddingHeightWidth).
  /// `padding` is the schema's: 0 SAME, 1 VALID.
  func slide(
    _ window: WindowAxis, over input: Int, padding: Int, of node: TFLiteOperator
  ) throws(ImportError) -> (output: Int, before: Int) {
    let limit = 1...ImportLimits.windowExtentMax
    guard limit.contains(window.kernel) else { throw fail(node, .option("the window", window.kernel)) }
    guard limit.contains(window.stride) else { throw fail(node, .option("the stride", window.stride)) }
    guard limit.contains(window.dilation) else { throw fail(node, .option("the dilation", window.dilation)) }
    guard padding == 0 || padding == 1 else { throw fail(node, .option("the padding", padding)) }
    let reach = (window.kernel - 1) * window.dilation + 1
    let output = (input + window.stride - (padding == 0 ? 1 : reach)) / window.stride
    guard output > 0 else { throw fail(node, .option("the output size", output)) }
    return (output, max(0, (output - 1) * window.stride + reach - input) / 2)
  }

  /// The geometry of windows over `input` (N,H,W,C).
  func geometry(
    _ node: TFLiteOperator, input: Operand, rows: WindowAxis, columns: WindowAxis, padding: Int, outputChannels: Int
  ) throws(ImportError) -> WindowGeometry {
    guard input.shape.rank == 4 else { throw fail(node, .rank(input.shape.rank)) }
    let vertical = try slide(rows, over: input.shape[1], padding: padding, of: node)
    let horizontal = try slide(columns, over: input.shape[2], padding: padding, of: node)
    var geometry = WindowGeometry()
    geometry.batches = input.shape[0]
    geometry.inputHeight = input.shape[1]
    geometry.inputWidth = input.shape[2]
    geometry.inputChannels = input.shape[3]
    geometry.outputHeight = vertical.output
    geometry.outputWidth = horizontal.output
    geometry.outputChannels = outputChannels
    geometry.kernelHeight = rows.kernel
    geometry.kernelWidth = columns.kernel
    geometry.strideHeight = rows.stride
    geometry.strideWidth = columns.stride
    geometry.dilationHeight = rows.dilation
    geometry.dilationWidth = columns.dilation
    geometry.paddingTop = vertical.before
    geometry.paddingLeft = horizontal.before
    return geometry
  }
}

extension WindowGeometry {
  var outputShape: Shape { Shape([batches, outputHeight, outputWidth, outputChannels]) }
}

/// CONV_2D and DEPTHWISE_CONV_2D.
extension GraphBuilder {
  /// input (N,H,W,C), filter (O,kh,kw,C), bias (O) → (N,H',W',O)
  mutating func lowerConvolution(_ node: TFLiteOperator) throws(ImportError) {
    let (input, output) = try quantizedPair(node)
    let filter = try weights(node, 1, rank: 4, like: input)
    let options = try options(of: node)
    let dimensions = filter.shape.dimensions
    let geometry = try geometry(
      node, input: input,
      rows: WindowAxis(
        kernel: dimensions[1], stride: try options.integer(2, Int32.self),
        dilation: try options.integer(5, Int32.self, default: 1)),
      columns: WindowAxis(
        kernel: dimensions[2], stride: try options.integer(1, Int32.self),
        dilation: try options.integer(4, Int32.self, default: 1)),
      padding: try options.integer(0, Int8.self), outputChannels: dimensions[0])
    guard dimensions[3] == geometry.inputChannels else { throw fail(node, .shapes(input.shape, filter.shape)) }
    let layout = WeightLayout(
      output: dimensions[1] * dimensions[2] * dimensions[3], row: dimensions[2] * dimensions[3],
      column: dimensions[3], input: 1)
    try emitConvolution(
      ConvolutionParts(
        node: node, input: input, filter: filter, output: output, geometry: geometry, layout: layout,
        activation: try activation(try options.integer(3, Int8.self), of: node), channelAxis: 0),
      shape: geometry.outputShape)
  }

  /// input (N,H,W,C), filter (1,kh,kw,C·m), bias (C·m) → (N,H',W',C·m)
  mutating func lowerDepthwiseConvolution(_ node: TFLiteOperator) throws(ImportError) {
    let (input, output) = try quantizedPair(node)
    let filter = try weights(node, 1, rank: 4, like: input)
    let options = try options(of: node)
    let dimensions = filter.shape.dimensions
    let geometry = try geometry(
      node, input: input,
      rows: WindowAxis(
        kernel: dimensions[1], stride: try options.integer(2, Int32.self),
        dilation: try options.integer(6, Int32.self, default: 1)),
      columns: WindowAxis(
        kernel: dimensions[2], stride: try options.integer(1, Int32.self),
        dilation: try options.integer(5, Int32.self, default: 1)),
      padding: try options.integer(0, Int8.self), outputChannels: dimensions[3])
    guard dimensions[0] == 1, dimensions[3] % geometry.inputChannels == 0 else {
      throw fail(node, .shapes(input.shape, filter.shape))
    }
    let layout = WeightLayout(output: 1, row: dimensions[2] * dimensions[3], column: dimensions[3], input: 0)
    var parts = ConvolutionParts(
      node: node, input: input, filter: filter, output: output, geometry: geometry, layout: layout,
      activation: try activation(try options.integer(4, Int8.self), of: node), channelAxis: 3)
    parts.isDepthwise = geometry.inputChannels > 1  // one channel: the same sums as a full convolution
    try emitConvolution(parts, shape: geometry.outputShape)
  }

  /// input (…,K), filter (O,K), bias (O) → (rows,O), or (…,O) where the dimensions are kept
  mutating func lowerFullyConnected(_ node: TFLiteOperator) throws(ImportError) {
    let (input, output) = try quantizedPair(node)
    let filter = try weights(node, 1, rank: 2, like: input)
    let options = try options(of: node)
    let format = try options.integer(1, Int8.self)
    guard format == 0 else { throw fail(node, .option("the weights' format", format)) }
    let (channels, depth) = (filter.shape[0], filter.shape[1])
    guard input.shape.elementCount % depth == 0 else { throw fail(node, .shapes(input.shape, filter.shape)) }
    var geometry = WindowGeometry()
    geometry.inputWidth = input.shape.elementCount / depth
    geometry.outputWidth = geometry.inputWidth
    geometry.inputChannels = depth
    geometry.outputChannels = channels
    var shape = Shape([geometry.inputWidth, channels])
    if try options.bool(2) {
      guard input.shape.dimensions.last == depth else { throw fail(node, .shapes(input.shape, filter.shape)) }
      shape = Shape(input.shape.dimensions.dropLast() + [channels])
    }
    var parts = ConvolutionParts(
      node: node, input: input, filter: filter, output: output, geometry: geometry,
      layout: WeightLayout(output: depth, row: 0, column: 0, input: 1),
      activation: try activation(try options.integer(0, Int8.self), of: node), channelAxis: 0)
    parts.isFullyConnected = true
    try emitConvolution(parts, shape: shape)
  }
}
