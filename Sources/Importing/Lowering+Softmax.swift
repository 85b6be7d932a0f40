import ModelFile
import Tensors

/// SOFTMAX, ARG_MAX, ARG_MIN and the resamplings.
extension GraphBuilder {
  /// Softmax over the last axis; the table of exponentials follows TFLite's PreprocessSoftmaxScaling.
  mutating func lowerSoftmax(_ node: TFLiteOperator) throws(ImportError) {
    let (input, output) = try quantizedPair(node)
    guard let depth = input.shape.dimensions.last else { throw fail(node, .rank(0)) }
    if output.type == .int8 {
      guard output.zeroPoint == 0, abs(output.scale - 1 / 256) <= 0.001 / 256 else {
        throw fail(node, .scale(tensor: output.name))
      }
    }
    let beta = Double(try options(of: node).float(0))
    // Differences are scaled to Q5.26.
    guard let factor = quantizeMultiplier(min(beta * Double(input.scale) * 0x1p26, 0x1p31 - 1)), factor.shift <= 0
    else {
      throw fail(node, .scale(tensor: input.name))
    }
    let left = -factor.shift
    let differenceMax = (31 << 26) >> Int(left)
    let exponentials: [Int32] = (0..<256).map { difference in
      if difference > differenceMax { return -1 }
      return exponentialOfNegative(highMultiply(Int32(-difference) << left, factor.multiplier))
    }
    let softmax = Softmax(rows: input.shape.elementCount / depth, depth: depth, exponentials: exponentials)
    try emit(node, .softmax(softmax), inputs: [try value(of: input)], output: output, shape: input.shape)
  }

  mutating func lowerArgExtreme(_ node: TFLiteOperator, takesMinimum: Bool) throws(ImportError) {
    let input = try input(node, 0)
    let output = try output(node)
    guard input.type.isQuantizedByte else { throw fail(node, .elementType(tensor: input.name, type: input.type)) }
    guard output.type == .int32 || output.type == .int64 else {
      throw fail(node, .elementType(tensor: output.name, type: output.type))
    }
    let axis = try axis(try constantInteger(node, 1), rank: input.shape.rank, of: node)
    let dimensions = input.shape.dimensions
    let operation = ArgExtreme(
      outer: dimensions[..<axis].reduce(1, *), extent: dimensions[axis], inner: input.shape.stride(of: axis),
      takesMinimum: takesMinimum)
    try emit(
      node, .argExtreme(operation), inputs: [try value(of: input)], output: output,
      shape: Shape(Array(dimensions[..<axis] + dimensions[(axis + 1)...])))
  }

  mutating func lowerResize(_ node: TFLiteOperator, isBilinear: Bool) throws(ImportError) {
    let (input, output) = try movedPair(node)
    guard input.type.isQuantizedByte else { throw fail(node, .elementType(tensor: input.name, type: input.type)) }
    guard input.shape.rank == 4 else { throw fail(node, .rank(input.shape.rank)) }
    let size = try constantIntegers(node, 1)
    guard size.count == 2 else { throw fail(node, .option("the count of sizes", size.count)) }
    let options = try options(of: node)
    let (alignCorners, halfPixelCenters) = (try options.bool(isBilinear ? 2 : 0), try options.bool(isBilinear ? 3 : 1))
    if isBilinear, alignCorners, halfPixelCenters {
      throw fail(node, .option("align_corners with half_pixel_centers", 1))
    }
    let kind: Resize.Kind = !isBilinear ? .nearest : input.type == .uint8 ? .bilinearFloat : .bilinearInteger
    let shape = Shape([input.shape[0], size[0], size[1], input.shape[3]])
    _ = try describe(output.tensor, shape: shape)
    let resize = Resize(
      kind: kind, batches: input.shape[0], inputHeight: input.shape[1], inputWidth: input.shape[2],
      outputHeight: size[0], outputWidth: size[1], channels: input.shape[3], alignCorners: alignCorners,
      halfPixelCenters: halfPixelCenters)
    try emit(node, .resize(resize), inputs: [try value(of: input)], output: output, shape: shape)
  }
}
