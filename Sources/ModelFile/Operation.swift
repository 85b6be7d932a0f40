/// What an operator computes. Each case documents its operands; all values are in the unsigned domain (see `Graph`).
public enum Operation: Sendable {
  /// input (N,H,W,C) → output (N,H',W',O). A fully connected layer is a 1×1 convolution over (1,1,rows,K).
  case convolution(Convolution)
  /// input (N,H,W,C) → output (N,H',W',C·m): output channel o reads input channel o / m.
  case depthwiseConvolution(Convolution)
  /// a, b → a ∘ b element by element, with broadcasting.
  case arithmetic(Arithmetic)
  /// input (N,H,W,C) → the average or maximum of each window.
  case pool(Pool)
  /// input → its mean over some axes.
  case mean(Mean)
  /// input (rows, depth) → softmax over depth.
  case softmax(Softmax)
  /// byte input → table[byte]. Every one-operand function of a byte is one of these, tabulated at import.
  case lookup([UInt8])
  /// float32 input → bytes: round half away from zero (x / scale) + zeroPoint, clamped to 0…255; NaN gives zeroPoint.
  case quantize(scale: Float, zeroPoint: Int32)
  /// byte input → float32: scale · (byte − zeroPoint).
  case dequantize(scale: Float, zeroPoint: Int32)
  /// input (N,H,W,C) → (N,H',W',C).
  case resize(Resize)
  /// byte input → int32 or int64 index of the greatest (or least) element along one axis; the first of equals.
  case argExtreme(ArgExtreme)
  /// One or more operands copied, piece by piece, into the output: concatenation, padding, slices, transposes, tiles.
  case copy(Copy)
  /// The operand's bytes under another shape.
  case reshape
}

/// The window of a convolution or a pool over NHWC tensors. All in elements; none negative.
public struct WindowGeometry: Sendable, Equatable {
  public var batches = 1
  public var inputHeight = 1
  public var inputWidth = 1
  public var inputChannels = 1
  public var outputHeight = 1
  public var outputWidth = 1
  public var outputChannels = 1
  public var kernelHeight = 1
  public var kernelWidth = 1
  public var strideHeight = 1
  public var strideWidth = 1
  public var dilationHeight = 1
  public var dilationWidth = 1
  /// Rows above the picture; output row y reads input rows y·strideHeight − paddingTop + ky·dilationHeight.
  /// What lies outside the picture is zero (the input's zero point); how far the window reaches below and to the right
  /// follows from the output's size.
  public var paddingTop = 0
  public var paddingLeft = 0

  /// Columns from the first to the last that windows read, padding included.
  public var windowColumns: Int { (outputWidth - 1) * strideWidth + (kernelWidth - 1) * dilationWidth + 1 }

  public init() {}
}

/// A convolution, full or depthwise, with exact integer requantization.
///
/// acc[o] = bias[o] + Σ w·x − weightZeroPoint · Σ x,   x unsigned bytes, w signed bytes
/// out[o] = clamp(round(acc[o] · multiplier[o] / 2³¹ · 2^−shift[o]) + outputZeroPoint)
/// with TFLite's rounding (`MultiplyByQuantizedMultiplier`, double rounding), or where `roundsOnce`
/// out[o] = clamp(⌊(acc[o] · multiplier[o] + 2^(30 + shift[o])) / 2^(31 + shift[o])⌋ + outputZeroPoint).
public struct Convolution: Sendable {
  public var geometry: WindowGeometry
  /// Index of the blob with the packed weights: panels of 16 output channels × groups of 4 inputs, `[O/16][K/4][16][4]`,
  /// padded with zeros. K is made of runs, each padded to a multiple of 4 bytes: for a full convolution without
  /// dilation along x one run a kernel row (kernelWidth · inputChannels bytes), else one a tap (inputChannels bytes);
  /// for a depthwise convolution a single run of kernelHeight · kernelWidth taps.
  public var weights: Int
  public var channels: ChannelParameters
  /// What stands for zero outside the picture.
  public var inputZeroPoint: UInt8
  /// Zero point of the signed weights, −128…127; 0 for symmetric weights. Padding of runs is not subject to it.
  public var weightZeroPoint: Int32
  public var outputZeroPoint: UInt8
  public var clampMin: UInt8
  public var clampMax: UInt8
  /// One rounding instead of two: TFLite's fully connected layers round acc · scale in floating point, and importers
  /// choose multipliers that give the same bytes.
  public var roundsOnce: Bool

  public init(
    geometry: WindowGeometry, weights: Int, channels: ChannelParameters, inputZeroPoint: UInt8, weightZeroPoint: Int32,
    outputZeroPoint: UInt8, clampMin: UInt8, clampMax: UInt8, roundsOnce: Bool = false
  ) {
    self.geometry = geometry
    self.weights = weights
    self.channels = channels
    self.inputZeroPoint = inputZeroPoint
    self.weightZeroPoint = weightZeroPoint
    self.outputZeroPoint = outputZeroPoint
    self.clampMin = clampMin
    self.clampMax = clampMax
    self.roundsOnce = roundsOnce
  }

  /// Runs and groups of 4 of the packed K axis of a full convolution, and bytes of a run that carry weights.
  public var packedRuns: (runs: Int, runBytes: Int, groupsPerRun: Int) {
    let perRow = geometry.dilationWidth == 1 || geometry.kernelWidth == 1
    let runs = perRow ? geometry.kernelHeight : geometry.kernelHeight * geometry.kernelWidth
    let runBytes = perRow ? geometry.kernelWidth * geometry.inputChannels : geometry.inputChannels
    return (runs, runBytes, (runBytes + 3) / 4)
  }

  /// Bytes of one panel of 16 output channels of a full convolution.
  public var panelByteCount: Int { packedRuns.runs * packedRuns.groupsPerRun * 64 }

  /// Bytes of one panel of 16 channels of a depthwise convolution.
  public var depthwisePanelByteCount: Int { (geometry.kernelHeight * geometry.kernelWidth + 3) / 4 * 64 }

  /// No input makes a channel's |acc| larger, whatever bytes the weights are: it tells which forms of the requantization
  /// are exact.
  public func accumulatorMax(channel: Int, weightsPerChannel weights: Int) -> Int {
    // |w · x| < 2¹⁵ for either sign of activations; a weight zero point adds as much.
    Int(channels.bias[channel].magnitude) + weights * (weightZeroPoint == 0 ? 1 << 15 : 1 << 16)
  }

  /// Whether a channel is the output's zero point for every input: its accumulators all round to 0.
  public func isDead(channel: Int, weightsPerChannel weights: Int) -> Bool {
    let shift = Int(channels.shift[channel])
    return channels.multiplier[channel] == 0
      || shift > 0 && accumulatorMax(channel: channel, weightsPerChannel: weights) < 1 << (shift - 1)
  }

  public var panelCount: Int { (geometry.outputChannels + 15) / 16 }
}

/// Per-channel numbers of a convolution; all arrays have one entry an output channel.
public struct ChannelParameters: Sendable {
  /// TFLite's bias with the input's zero point folded in, for unsigned inputs:
  /// bias − zx·Σw + K·zx·zw (zx input, zw weight zero point, K weights a channel without padding).
  public var bias: [Int32]
  /// Σw over the channel's signed weights: what kernels that want signed inputs add 128 times.
  public var weightSum: [Int32]
  /// Fixed-point multiplier, 31 bits after the point: 2³⁰ ≤ m < 2³¹, or 0.
  public var multiplier: [Int32]
  /// Right shift after the multiplication; negative shifts left before it. −31…31.
  public var shift: [Int8]

  public init(bias: [Int32], weightSum: [Int32], multiplier: [Int32], shift: [Int8]) {
    self.bias = bias
    self.weightSum = weightSum
    self.multiplier = multiplier
    self.shift = shift
  }
}

/// Fixed-point factor: value · multiplier / 2³¹ · 2^−shift, rounded as in `ChannelParameters`.
public struct FixedPointFactor: Sendable, Equatable {
  public var multiplier: Int32
  public var shift: Int32

  public init(multiplier: Int32, shift: Int32) {
    self.multiplier = multiplier
    self.shift = shift
  }
}

/// Element-wise arithmetic of two byte tensors, TFLite's fixed point:
/// add: out = F(F₁((a − za) · 2²⁰) + F₂((b − zb) · 2²⁰)) + zo; subtract: out = F(F₁(…) − F₂(…)) + zo;
/// multiply: out = F((a − za) · (b − zb)) + zo. Then clamped.
public struct Arithmetic: Sendable {
  public enum Kind: UInt8, Sendable {
    case add = 0
    case subtract = 1
    case multiply = 2
  }

  public var kind: Kind
  /// Row-major extents of the output with neighbouring axes merged where both operands allow; at most 8.
  public var extents: [Int]
  /// Elements to move in each operand for a step along each extent; 0 where it is broadcast.
  public var firstStrides: [Int]
  public var secondStrides: [Int]
  public var firstZeroPoint: Int32
  public var secondZeroPoint: Int32
  public var outputZeroPoint: Int32
  public var firstFactor: FixedPointFactor
  public var secondFactor: FixedPointFactor
  public var outputFactor: FixedPointFactor
  public var clampMin: UInt8
  public var clampMax: UInt8
  /// out = round-to-even(fma(a, x, fma(b, y, c))) for bytes x, y, proved at import to equal the fixed point for all
  /// 65,536 pairs; nil where no such triple was found. Add and subtract only.
  public var fusedForm: FusedForm?

  public struct FusedForm: Sendable, Equatable {
    public var a: Float
    public var b: Float
    public var c: Float

    public init(a: Float, b: Float, c: Float) {
      self.a = a
      self.b = b
      self.c = c
    }
  }

  public init(
    kind: Kind, extents: [Int], firstStrides: [Int], secondStrides: [Int], firstZeroPoint: Int32,
    secondZeroPoint: Int32, outputZeroPoint: Int32, firstFactor: FixedPointFactor, secondFactor: FixedPointFactor,
    outputFactor: FixedPointFactor, clampMin: UInt8, clampMax: UInt8, fusedForm: FusedForm?
  ) {
    self.kind = kind
    self.extents = extents
    self.firstStrides = firstStrides
    self.secondStrides = secondStrides
    self.firstZeroPoint = firstZeroPoint
    self.secondZeroPoint = secondZeroPoint
    self.outputZeroPoint = outputZeroPoint
    self.firstFactor = firstFactor
    self.secondFactor = secondFactor
    self.outputFactor = outputFactor
    self.clampMin = clampMin
    self.clampMax = clampMax
    self.fusedForm = fusedForm
  }
}

/// Average or maximum over windows; taps outside the picture do not count.
public struct Pool: Sendable {
  public enum Kind: UInt8, Sendable {
    case average = 0
    case maximum = 1
  }

  public var kind: Kind
  public var geometry: WindowGeometry
  /// The average of an int8 tensor is rounded half away from zero of the signed sum, a uint8 one's of the unsigned sum.
  public var roundsSigned: Bool
  public var clampMin: UInt8
  public var clampMax: UInt8

  public init(kind: Kind, geometry: WindowGeometry, roundsSigned: Bool, clampMin: UInt8, clampMax: UInt8) {
    self.kind = kind
    self.geometry = geometry
    self.roundsSigned = roundsSigned
    self.clampMin = clampMin
    self.clampMax = clampMax
  }
}

/// out = clamp(F(Σ (x − inputZeroPoint)) + outputZeroPoint) over the reduced axes, 1/count being part of the factor.
public struct Mean: Sendable {
  /// Axes that stay, in output order, and axes that are summed: extents and input strides in elements; at most 8 together.
  public var keptExtents: [Int]
  public var keptStrides: [Int]
  public var reducedExtents: [Int]
  public var reducedStrides: [Int]
  public var inputZeroPoint: Int32
  public var outputZeroPoint: Int32
  public var factor: FixedPointFactor

  public init(
    keptExtents: [Int], keptStrides: [Int], reducedExtents: [Int], reducedStrides: [Int], inputZeroPoint: Int32,
    outputZeroPoint: Int32, factor: FixedPointFactor
  ) {
    self.keptExtents = keptExtents
    self.keptStrides = keptStrides
    self.reducedExtents = reducedExtents
    self.reducedStrides = reducedStrides
    self.inputZeroPoint = inputZeroPoint
    self.outputZeroPoint = outputZeroPoint
    self.factor = factor
  }
}

/// Softmax over the last axis in TFLite's fixed point: exponentials of (x − max) in Q0.31, their sum in Q12.19, one
/// reciprocal a row.
public struct Softmax: Sendable {
  public var rows: Int
  public var depth: Int
  /// exp(−d · scale · beta) in Q0.31 for d = 0…255 below the row's maximum; −1 where the reference gives zero at once.
  public var exponentials: [Int32]

  public init(rows: Int, depth: Int, exponentials: [Int32]) {
    self.rows = rows
    self.depth = depth
    self.exponentials = exponentials
  }
}

/// Resampling of pictures.
public struct Resize: Sendable {
  public enum Kind: UInt8, Sendable {
    case nearest = 0
    /// TFLite's float arithmetic, which its uint8 tensors use.
    case bilinearFloat = 1
    /// TFLite's 10-bit fixed point, which its int8 tensors use.
    case bilinearInteger = 2
  }

  public var kind: Kind
  public var batches: Int
  public var inputHeight: Int
  public var inputWidth: Int
  public var outputHeight: Int
  public var outputWidth: Int
  public var channels: Int
  public var alignCorners: Bool
  public var halfPixelCenters: Bool

  public init(
    kind: Kind, batches: Int, inputHeight: Int, inputWidth: Int, outputHeight: Int, outputWidth: Int, channels: Int,
    alignCorners: Bool, halfPixelCenters: Bool
  ) {
    self.kind = kind
    self.batches = batches
    self.inputHeight = inputHeight
    self.inputWidth = inputWidth
    self.outputHeight = outputHeight
    self.outputWidth = outputWidth
    self.channels = channels
    self.alignCorners = alignCorners
    self.halfPixelCenters = halfPixelCenters
  }
}

/// input (outer, extent, inner) → index of the extreme along `extent`, (outer, inner).
public struct ArgExtreme: Sendable {
  public var outer: Int
  public var extent: Int
  public var inner: Int
  public var takesMinimum: Bool

  public init(outer: Int, extent: Int, inner: Int, takesMinimum: Bool) {
    self.outer = outer
    self.extent = extent
    self.inner = inner
    self.takesMinimum = takesMinimum
  }
}

/// Data movement: the output is first filled with `fill` where given, then each region is copied into it.
public struct Copy: Sendable {
  public var fill: UInt8?
  public var regions: [Region]

  /// extents[0] × extents[1] × … runs of `runByteCount` bytes. Offsets and strides are bytes; source strides may be
  /// negative (reversed slices) or 0 (tiles).
  public struct Region: Sendable, Equatable {
    /// Which operand is read.
    public var operand: Int
    public var sourceOffset: Int
    public var destinationOffset: Int
    public var extents: [Int]
    public var sourceStrides: [Int]
    public var destinationStrides: [Int]
    public var runByteCount: Int

    public init(
      operand: Int, sourceOffset: Int, destinationOffset: Int, extents: [Int], sourceStrides: [Int],
      destinationStrides: [Int], runByteCount: Int
    ) {
      self.operand = operand
      self.sourceOffset = sourceOffset
      self.destinationOffset = destinationOffset
      self.extents = extents
      self.sourceStrides = sourceStrides
      self.destinationStrides = destinationStrides
      self.runByteCount = runByteCount
    }
  }

  public init(fill: UInt8?, regions: [Region]) {
    self.fill = fill
    self.regions = regions
  }
}
