import ModelFile
import Tensors

/// AVERAGE_POOL_2D, MAX_POOL_2D and MEAN.
extension GraphBuilder {
  mutating func lowerPool(_ node: TFLiteOperator, _ kind: Pool.Kind) throws(ImportError) {
    let (input, output) = try quantizedPair(node)
    let options = try options(of: node)
    guard input.shape.rank == 4 else { throw fail(node, .rank(input.shape.rank)) }
    let geometry = try geometry(
      node, input: input,
      rows: WindowAxis(kernel: try options.integer(4, Int32.self), stride: try options.integer(2, Int32.self)),
      columns: WindowAxis(kernel: try options.integer(3, Int32.self), stride: try options.integer(1, Int32.self)),
      padding: try options.integer(0, Int8.self), outputChannels: input.shape[3])
    let activation = try activation(try options.integer(5, Int8.self), of: node)
    let clamp = byteRange(activation.range, of: output)
    let pool = Pool(
      kind: kind, geometry: geometry, roundsSigned: input.type == .int8, clampMin: clamp.low, clampMax: clamp.high)
    try emit(
      node, .pool(pool), inputs: [try value(of: input)], output: output, shape: geometry.outputShape)
  }

  mutating func lowerMean(_ node: TFLiteOperator) throws(ImportError) {
    let (input, output) = try quantizedPair(node)
    var isReduced = [Bool](repeating: false, count: input.shape.rank)
    for number in try constantIntegers(node, 1) { isReduced[try axis(number, rank: input.shape.rank, of: node)] = true }
    let keepsDimensions = try options(of: node).bool(0)
    var mean = Mean(
      keptExtents: [], keptStrides: [], reducedExtents: [], reducedStrides: [], inputZeroPoint: input.zeroPoint,
      outputZeroPoint: output.zeroPoint, factor: FixedPointFactor(multiplier: 0, shift: 0))
    var dimensions: [Int] = []
    for axis in 0..<input.shape.rank {
      if isReduced[axis] {
        mean.reducedExtents.append(input.shape[axis])
        mean.reducedStrides.append(input.shape.stride(of: axis))
        if keepsDimensions { dimensions.append(1) }
      } else {
        mean.keptExtents.append(input.shape[axis])
        mean.keptStrides.append(input.shape.stride(of: axis))
        dimensions.append(input.shape[axis])
      }
    }
    let count = mean.reducedExtents.reduce(1, *)
    guard let scale = quantizeMultiplier(Double(input.scale) / Double(output.scale)) else {
      throw fail(node, .scale(tensor: output.name))
    }
    // 1/count goes into the multiplier, with as many bits kept as the shift allows (TFLite's QuantizedMeanOrSum).
    let bits = min(Int32(Int.bitWidth - 1 - count.leadingZeroBitCount), 32, 31 - scale.shift)
    mean.factor = FixedPointFactor(
      multiplier: Int32(truncatingIfNeeded: (Int64(scale.multiplier) << Int64(bits)) / Int64(count)),
      shift: scale.shift + bits)
    try emit(node, .mean(mean), inputs: [try value(of: input)], output: output, shape: Shape(dimensions))
  }
}
