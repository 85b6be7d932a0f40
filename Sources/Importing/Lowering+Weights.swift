import ModelFile
import Tensors

/// Bytes from one weight to the next along each axis of a filter.
struct WeightLayout {
  var output: Int
  var row: Int
  var column: Int
  var input: Int
}

/// What the three kinds of convolution have in common while they are lowered.
struct ConvolutionParts {
  var node: TFLiteOperator
  var input: Operand
  var filter: Operand
  var output: Operand
  var geometry: WindowGeometry
  var layout: WeightLayout
  var activation: FusedActivation
  /// The filter's axis of output channels, along which it may have scales.
  var channelAxis: Int
  var isDepthwise = false
  var isFullyConnected = false

  init(
    node: TFLiteOperator, input: Operand, filter: Operand, output: Operand, geometry: WindowGeometry,
    layout: WeightLayout, activation: FusedActivation, channelAxis: Int
  ) {
    self.node = node
    self.input = input
    self.filter = filter
    self.output = output
    self.geometry = geometry
    self.layout = layout
    self.activation = activation
    self.channelAxis = channelAxis
  }
}

/// Packed weights and the sums over each output channel that the requantization needs.
struct PackedWeights {
  var bytes: [UInt8]
  /// Σw of the signed weights.
  var sums: [Int64]
  /// Σ of the positive and of the negative w − zero point.
  var positives: [Int64]
  var negatives: [Int64]
}

extension GraphBuilder {
  /// Constant weights of the input's type.
  func weights(
    _ node: TFLiteOperator, _ position: Int, rank: Int, like input: Operand
  ) throws(ImportError) -> Operand {
    let filter = try self.input(node, position)
    try requireConstant(node, filter)
    guard filter.type == input.type else { throw fail(node, .elementType(tensor: filter.name, type: filter.type)) }
    guard filter.shape.rank == rank else { throw fail(node, .rank(filter.shape.rank)) }
    return filter
  }

  /// Zero point of the signed weights: int8 weights of convolutions and per-channel ones must be symmetric.
  private func weightZeroPoint(_ parts: ConvolutionParts) throws(ImportError) -> Int32 {
    if let quantization = parts.filter.quantization, parts.isFullyConnected || parts.filter.type == .uint8 {
      return quantization.zeroPoint - (parts.filter.type == .uint8 ? 128 : 0)
    }
    if parts.filter.type == .uint8 { _ = try quantized(parts.node, parts.filter) }
    if let zeroPoints = model.tensors[parts.filter.tensor].zeroPoints {
      for index in 0..<zeroPoints.count where zeroPoints.int64(index) != 0 {
        let zeroPoint = Int(truncatingIfNeeded: zeroPoints.int64(index))
        throw fail(parts.node, .notSymmetric(tensor: parts.filter.name, zeroPoint: zeroPoint))
      }
    }
    return 0
  }

  /// Real factors accumulator → output, one an output channel. TFLite multiplies the scales of uint8 convolutions in
  /// float (GetQuantizedConvolutionMultipler), others in double.
  private func scales(_ parts: ConvolutionParts) throws(ImportError) -> [Double] {
    let channels = parts.geometry.outputChannels
    let declared = model.tensors[parts.filter.tensor]
    guard let scales = declared.scales,
      scales.count == 1 || (scales.count == channels && declared.quantizedDimension == parts.channelAxis)
    else {
      throw .badQuantization(tensor: parts.filter.name, scales: declared.scales?.count ?? 0, zeroPoint: 0)
    }
    let isProductFloat = parts.input.type == .uint8 && !parts.isFullyConnected
    return (0..<channels).map { channel in
      let scale = scales.float(scales.count == 1 ? 0 : channel)
      let product =
        isProductFloat ? Double(parts.input.scale * scale) : Double(parts.input.scale) * Double(scale)
      return product / Double(parts.output.scale)
    }
  }

  /// The bias, or nil where there is none.
  private func bias(_ parts: ConvolutionParts) throws(ImportError) -> UnsafeRawBufferPointer? {
    guard hasInput(parts.node, 2) else { return nil }
    let operand = try input(parts.node, 2)
    guard operand.type == .int32 else {
      throw fail(parts.node, .elementType(tensor: operand.name, type: operand.type))
    }
    try requireConstant(parts.node, operand)
    guard operand.shape.elementCount == parts.geometry.outputChannels else {
      throw fail(parts.node, .shapes(operand.shape, parts.filter.shape))
    }
    return try constantBytes(operand)
  }

  /// A convolution that alone reads what a PAD wrote makes the margin itself, where that is its own padding: the same
  /// bytes without the copy.
  private mutating func takingMargin(_ given: ConvolutionParts) -> ConvolutionParts {
    guard let padded = values[given.input.tensor], let margin = margins[padded],
      Int32(margin.fill) == given.input.zeroPoint, readerCounts[given.input.tensor] == 1,
      let step = graph.operators.lastIndex(where: { $0.output == padded })
    else { return given }
    var parts = given
    graph.operators.remove(at: step)
    parts.input.tensor = margin.source.tensor
    parts.input.shape = margin.source.shape
    parts.geometry.inputHeight = margin.source.shape[1]
    parts.geometry.inputWidth = margin.source.shape[2]
    parts.geometry.paddingTop += margin.top
    parts.geometry.paddingLeft += margin.left
    return parts
  }

  /// Packs the weights, folds zero points into the bias and appends the operator.
  mutating func emitConvolution(_ given: ConvolutionParts, shape: Shape) throws(ImportError) {
    let parts = given.isFullyConnected ? given : takingMargin(given)
    let geometry = parts.geometry
    try reserveChannels(geometry.outputChannels)
    let zeroPoint = try weightZeroPoint(parts)
    let scales = try scales(parts)
    let bias = try bias(parts)
    let clamp = byteRange(parts.activation.range, of: parts.output)
    var convolution = Convolution(
      geometry: geometry, weights: 0,
      channels: ChannelParameters(bias: [], weightSum: [], multiplier: [], shift: []),
      inputZeroPoint: UInt8(parts.input.zeroPoint), weightZeroPoint: zeroPoint,
      outputZeroPoint: UInt8(parts.output.zeroPoint), clampMin: clamp.low, clampMax: clamp.high,
      roundsOnce: parts.isFullyConnected)
    let packed = try pack(parts, convolution)
    convolution.weights = try blob(of: parts, packed.bytes)
    let count = Int64(geometry.kernelHeight * geometry.kernelWidth * (parts.isDepthwise ? 1 : geometry.inputChannels))
    let inputZeroPoint = Int64(parts.input.zeroPoint)
    for channel in 0..<geometry.outputChannels {
      var folded = -inputZeroPoint * packed.sums[channel] + count * inputZeroPoint * Int64(zeroPoint)
      if let bias {
        folded += Int64(Int32(littleEndian: bias.loadUnaligned(fromByteOffset: 4 * channel, as: Int32.self)))
      }
      let (least, most) = (folded + 255 * packed.negatives[channel], folded + 255 * packed.positives[channel])
      let factor: FixedPointFactor?
      if parts.isFullyConnected {
        let rounding = FloatRounding(
          scale: scales[channel], zeroPoint: Int64(parts.output.zeroPoint), low: Int64(clamp.low),
          high: Int64(clamp.high))
        factor = rounding.integerFactor(accumulators: least...most)
      } else {
        factor = quantizeMultiplier(scales[channel])
      }
      guard var factor else { throw fail(parts.node, .scale(tensor: parts.filter.name)) }
      var accumulator = Int32(truncatingIfNeeded: folded)
      if least == most, !parts.isFullyConnected {
        // A channel without weights says the same whatever its scale; tiny scales, which trained-away channels have, need
        // the slow requantization for the whole layer.
        let value = requantize(accumulator, factor)
        let zero = Int32(parts.output.zeroPoint)
        accumulator = 4 * (min(max(value &+ zero, Int32(clamp.low)), Int32(clamp.high)) - zero)
        factor = FixedPointFactor(multiplier: 1 << 30, shift: 1)
      }
      convolution.channels.bias.append(accumulator)
      convolution.channels.weightSum.append(Int32(truncatingIfNeeded: packed.sums[channel]))
      convolution.channels.multiplier.append(factor.multiplier)
      convolution.channels.shift.append(Int8(factor.shift))
    }
    let operation: Operation = parts.isDepthwise ? .depthwiseConvolution(convolution) : .convolution(convolution)
    try emit(parts.node, operation, inputs: [try value(of: parts.input)], output: parts.output, shape: shape)
  }

  /// The blob with these packed bytes; operators that pack the same filter alike share one.
  private mutating func blob(of parts: ConvolutionParts, _ bytes: [UInt8]) throws(ImportError) -> Int {
    let geometry = parts.geometry
    let key = BlobKey(
      tensor: parts.filter.tensor,
      packing: [
        geometry.kernelHeight, geometry.kernelWidth, geometry.inputChannels, geometry.dilationWidth,
        parts.isDepthwise ? 1 : 0, parts.isFullyConnected ? 1 : 0,
      ])
    if let blob = sharedBlobs[key] { return blob }
    let blob = try addBlob(bytes)
    sharedBlobs[key] = blob
    return blob
  }

  /// Panels of 16 output channels × groups of 4 weights, as `Convolution.weights` documents.
  private mutating func pack(
    _ parts: ConvolutionParts, _ convolution: Convolution
  ) throws(ImportError) -> PackedWeights {
    let geometry = parts.geometry
    let source = try constantBytes(parts.filter)
    let flip: UInt8 = parts.filter.type == .uint8 ? 0x80 : 0
    let layout = parts.layout
    let channels = geometry.outputChannels
    let inputs = parts.isDepthwise ? 1 : geometry.inputChannels
    // Where weight (ky, kx, i) stands on the packed K axis: ky·rowStep + kx·columnStep + i, each a multiple of 4 or
    // inside a run.
    let columnStep: Int
    let rowStep: Int
    if parts.isDepthwise {
      (columnStep, rowStep) = (1, geometry.kernelWidth)
    } else {
      let runBytes = convolution.packedRuns.groupsPerRun * 4
      let isRunRow = convolution.packedRuns.runs == geometry.kernelHeight
      columnStep = isRunRow ? inputs : runBytes
      rowStep = isRunRow ? runBytes : runBytes * geometry.kernelWidth
    }
    let panelBytes = parts.isDepthwise ? convolution.depthwisePanelByteCount : convolution.panelByteCount
    let (total, overflow) = panelBytes.multipliedReportingOverflow(by: convolution.panelCount)
    guard !overflow, total <= payloadBytesMax - payloadBytes else {
      throw .payloadTooLarge(bytes: total, bytesMax: payloadBytesMax)
    }
    let zeroPoint = Int64(convolution.weightZeroPoint)
    var bytes = [UInt8](repeating: 0, count: total)
    var sums = [Int64](repeating: 0, count: channels)
    var (positives, negatives) = (sums, sums)
    bytes.withUnsafeMutableBytes { target in
      for channel in 0..<channels {
        let base = channel / 16 * panelBytes + channel % 16 * 4
        var (sum, positive, negative): (Int64, Int64, Int64) = (0, 0, 0)
        for ky in 0..<geometry.kernelHeight {
          for kx in 0..<geometry.kernelWidth {
            var offset = channel * layout.output + ky * layout.row + kx * layout.column
            var position = ky * rowStep + kx * columnStep
            for _ in 0..<inputs {
              let byte = source[offset] ^ flip
              target[base + position / 4 * 64 + position % 4] = byte
              let weight = Int64(Int8(bitPattern: byte))
              sum += weight
              if weight > zeroPoint { positive += weight - zeroPoint } else { negative += weight - zeroPoint }
              offset += layout.input
              position += 1
            }
          }
        }
        (sums[channel], positives[channel], negatives[channel]) = (sum, positive, negative)
      }
    }
    return PackedWeights(bytes: bytes, sums: sums, positives: positives, negatives: negatives)
  }
}
