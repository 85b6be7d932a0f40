import ModelFile
import Tensors

/// Functions of one byte, each lowered to a table that the reference's arithmetic fills.
extension GraphBuilder {
  /// Appends a lookup of `function`, which maps stored numbers of the input to ones of the output, then clamped.
  private mutating func emitLookup(
    _ node: TFLiteOperator, _ input: Operand, _ output: Operand, _ function: (Int32) -> Int32
  ) throws(ImportError) {
    let table = lookupTable(input, output, function)
    try emit(node, .lookup(table), inputs: [try value(of: input)], output: output, shape: input.shape)
  }

  func lookupTable(_ input: Operand, _ output: Operand, _ function: (Int32) -> Int32) -> [UInt8] {
    let inputOffset: Int32 = input.type == .int8 ? 128 : 0
    let outputOffset: Int32 = output.type == .int8 ? 128 : 0
    return (0..<256).map { byte in
      let value = Int64(function(Int32(byte) - inputOffset)) + Int64(outputOffset)
      return UInt8(max(0, min(255, value)))
    }
  }

  /// The factor from the input's scale to the output's, divided as floats (`isFloat`) or doubles.
  private func rescale(
    _ node: TFLiteOperator, _ input: Operand, _ output: Operand, isFloat: Bool
  ) throws(ImportError) -> FixedPointFactor {
    let ratio = isFloat ? Double(input.scale / output.scale) : Double(input.scale) / Double(output.scale)
    guard let factor = quantizeMultiplier(ratio) else { throw fail(node, .scale(tensor: output.name)) }
    return factor
  }

  /// RELU and its relatives: rescale, then limit to the reals `low…high`.
  mutating func lowerRelu(_ node: TFLiteOperator, low: Float, high: Float?) throws(ImportError) {
    let (input, output) = try quantizedPair(node)
    let factor = try rescale(node, input, output, isFloat: true)
    let zeroPoint = input.quantization!.zeroPoint
    let outputZeroPoint = output.quantization!.zeroPoint
    let offset: Int32 = output.type == .int8 ? 128 : 0
    let range = byteRange((low, high), of: output)
    try emitLookup(node, input, output) { stored in
      let value = outputZeroPoint &+ requantize(stored - zeroPoint, factor)
      return max(Int32(range.low) - offset, min(Int32(range.high) - offset, value))
    }
  }

  mutating func lowerLeakyRelu(_ node: TFLiteOperator) throws(ImportError) {
    let (input, output) = try quantizedPair(node)
    let alpha = try options(of: node).float(0)
    let identity = try rescale(node, input, output, isFloat: true)
    let slope = Double(input.scale * alpha / output.scale)
    guard let factor = quantizeMultiplier(abs(slope)) else { throw fail(node, .scale(tensor: output.name)) }
    let (zeroPoint, outputZeroPoint) = (input.quantization!.zeroPoint, output.quantization!.zeroPoint)
    try emitLookup(node, input, output) { stored in
      let value = stored - zeroPoint
      if value >= 0 { return outputZeroPoint &+ requantize(value, identity) }
      let scaled = requantize(value, factor)
      return slope < 0 ? outputZeroPoint &- scaled : outputZeroPoint &+ scaled
    }
  }

  /// LOGISTIC and TANH: a float function of the dequantized value (TFLite's LUTPopulate).
  mutating func lowerFloatFunction(_ node: TFLiteOperator, _ function: (Float) -> Float) throws(ImportError) {
    let (input, output) = try quantizedPair(node)
    let inverseScale = 1 / output.scale
    let (zeroPoint, outputZeroPoint) = (input.quantization!.zeroPoint, output.quantization!.zeroPoint)
    let scale = input.scale
    try emitLookup(node, input, output) { stored in
      let transformed = function(scale * Float(stored - zeroPoint))
      let rescaled = (transformed * inverseScale).rounded(.toNearestOrAwayFromZero)
      return int32(rescaled + Float(outputZeroPoint))
    }
  }

  /// HARD_SWISH in TFLite's 16-bit fixed point.
  mutating func lowerHardSwish(_ node: TFLiteOperator) throws(ImportError) {
    let (input, output) = try quantizedPair(node)
    let fineScale = Float(1.0 / 128) * input.scale
    let reluishScale: Float = 3.0 / 32768
    guard let outputFactor = quantizeMultiplier(Double(fineScale / output.scale)),
      (0...15).contains(outputFactor.shift),
      let reluish = quantizeMultiplier(Double(fineScale / reluishScale)), reluish.shift <= 15
    else { throw fail(node, .scale(tensor: output.name)) }
    let swish = HardSwish(outputFactor: outputFactor, reluishFactor: reluish)
    let (zeroPoint, outputZeroPoint) = (input.quantization!.zeroPoint, output.quantization!.zeroPoint)
    try emitLookup(node, input, output) { Int32(swish.value(of: Int16($0 - zeroPoint))) + outputZeroPoint }
  }

  /// float → bytes, or bytes → bytes of another scale. uint8 ↔ int8 with one scale is no change in the unsigned domain:
  /// the output then stands for the input.
  mutating func lowerQuantize(_ node: TFLiteOperator) throws(ImportError) {
    let input = try input(node, 0)
    let output = try quantized(node, try output(node))
    if input.type == .float32 {
      let operation = Operation.quantize(scale: output.scale, zeroPoint: output.zeroPoint)
      return try emit(node, operation, inputs: [try value(of: input)], output: output, shape: input.shape)
    }
    let source = try quantized(node, input)
    if source.scale == output.scale, source.zeroPoint == output.zeroPoint {
      try checkDeclared(output, shape: source.shape)
      values[output.tensor] = try value(of: source)
      return
    }
    let factor = try rescale(node, source, output, isFloat: false)
    let (zeroPoint, outputZeroPoint) = (source.quantization!.zeroPoint, output.quantization!.zeroPoint)
    try emitLookup(node, source, output) { requantize($0 - zeroPoint, factor) &+ outputZeroPoint }
  }

  mutating func lowerDequantize(_ node: TFLiteOperator) throws(ImportError) {
    let input = try quantized(node, try input(node, 0))
    let output = try output(node)
    guard output.type == .float32 else { throw fail(node, .elementType(tensor: output.name, type: output.type)) }
    let operation = Operation.dequantize(scale: input.scale, zeroPoint: input.zeroPoint)
    try emit(node, operation, inputs: [try value(of: input)], output: output, shape: input.shape)
  }
}

/// A float as Int32, limited to its range; 0 for NaN.
func int32(_ value: Float) -> Int32 {
  if value.isNaN { return 0 }
  return value >= 0x1p31 ? .max : value < -0x1p31 ? .min : Int32(value)
}

/// x · relu6(x + 3) / 6 as TFLite's reference computes it in 16-bit fixed point.
struct HardSwish {
  let outputMultiplier: Int16
  let outputShift: Int
  let reluishMultiplier: Int16
  /// Left, as the reference has it.
  let reluishExponent: Int

  init(outputFactor: FixedPointFactor, reluishFactor: FixedPointFactor) {
    func narrow(_ multiplier: Int32) -> Int16 {
      multiplier >= .max - (1 << 15) ? .max : Int16((multiplier + (1 << 15)) >> 16)
    }
    outputMultiplier = narrow(outputFactor.multiplier)
    outputShift = Int(outputFactor.shift)
    reluishMultiplier = narrow(reluishFactor.multiplier)
    reluishExponent = -Int(reluishFactor.shift)
  }

  /// On the output's scale, without its zero point. input: −255…255.
  func value(of input: Int16) -> Int16 {
    let fine = input * 128
    let preshift = highMultiply(fine, outputMultiplier)
    var reluish = fine
    if reluishExponent > 0 { reluish = shiftLeft(reluish, reluishExponent - 1) }
    reluish = highMultiply(reluish, reluishMultiplier)
    if reluishExponent > 0 { reluish = shiftLeft(reluish, 1) }
    if reluishExponent < 0 { reluish = shiftRight(reluish, -reluishExponent) }
    let share = Int16((Int32(reluish) + (1 << 15)) >> 1)  // 0…1 in 15 bits
    let product = share == .min && preshift == .min ? .max : Int16(Int32(share) * Int32(preshift) / (1 << 15))
    return shiftRight(product, outputShift)
  }

  private func highMultiply(_ a: Int16, _ b: Int16) -> Int16 {
    if a == .min, b == .min { return .max }
    let product = Int32(a) * Int32(b)
    return Int16((product + (product >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15))
  }

  private func shiftLeft(_ value: Int16, _ bits: Int) -> Int16 { Int16(clamping: Int64(value) << Int64(bits)) }

  private func shiftRight(_ value: Int16, _ bits: Int) -> Int16 { Int16(roundingShiftRight(Int32(value), bits)) }
}
