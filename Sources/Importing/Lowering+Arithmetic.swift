import ModelFile
import Tensors

/// ADD, SUB and MUL of two byte tensors, with broadcasting.
extension GraphBuilder {
  mutating func lowerArithmetic(_ node: TFLiteOperator, _ kind: Arithmetic.Kind) throws(ImportError) {
    let (first, output) = try quantizedPair(node)
    let second = try quantized(node, try input(node, 1))
    guard second.type == first.type else { throw fail(node, .elementType(tensor: second.name, type: second.type)) }
    // The schema gives all three options the activation as their first field.
    let activation = try activation(try options(of: node).integer(0, Int8.self), of: node)
    let clamp = byteRange(activation.range, of: output)
    let shape = try broadcast(first.shape, second.shape, of: node)
    let axes = mergedAxes(shape, first.shape, second.shape)
    let factors = try factors(node, kind, first, second, output)
    var arithmetic = Arithmetic(
      kind: kind, extents: axes.map { $0.extent }, firstStrides: axes.map { $0.first },
      secondStrides: axes.map { $0.second }, firstZeroPoint: first.zeroPoint, secondZeroPoint: second.zeroPoint,
      outputZeroPoint: output.zeroPoint, firstFactor: factors.first, secondFactor: factors.second,
      outputFactor: factors.output, clampMin: clamp.low, clampMax: clamp.high, fusedForm: nil)
    if kind != .multiply {
      arithmetic.fusedForm = fusedForm(
        of: arithmetic, firstScale: Double(first.scale) / Double(output.scale),
        secondScale: Double(second.scale) / Double(output.scale))
    }
    let operands = [try value(of: first), try value(of: second)]
    try emit(node, .arithmetic(arithmetic), inputs: operands, output: output, shape: shape)
  }

  /// TFLite's fixed-point factors: for sums both operands go to a common scale of twice the larger one, 20 bits up.
  private func factors(
    _ node: TFLiteOperator, _ kind: Arithmetic.Kind, _ first: Operand, _ second: Operand, _ output: Operand
  ) throws(ImportError) -> (first: FixedPointFactor, second: FixedPointFactor, output: FixedPointFactor) {
    let unit = FixedPointFactor(multiplier: 0, shift: 0)
    if kind == .multiply {
      guard let factor = quantizeMultiplier(Double(first.scale * second.scale / output.scale)) else {
        throw fail(node, .scale(tensor: output.name))
      }
      return (unit, unit, factor)
    }
    let common = Double(2 * max(first.scale, second.scale))
    guard let firstFactor = quantizeMultiplier(Double(first.scale) / common),
      let secondFactor = quantizeMultiplier(Double(second.scale) / common),
      let outputFactor = quantizeMultiplier(common / Double(0x1p20 * output.scale))
    else { throw fail(node, .scale(tensor: output.name)) }
    return (firstFactor, secondFactor, outputFactor)
  }

  /// The shape both operands are stretched to.
  private func broadcast(_ first: Shape, _ second: Shape, of node: TFLiteOperator) throws(ImportError) -> Shape {
    let rank = max(first.rank, second.rank)
    var dimensions: [Int] = []
    for axis in 0..<rank {
      let a = axis < rank - first.rank ? 1 : first[axis - (rank - first.rank)]
      let b = axis < rank - second.rank ? 1 : second[axis - (rank - second.rank)]
      guard a == b || a == 1 || b == 1 else { throw fail(node, .shapes(first, second)) }
      dimensions.append(max(a, b))
    }
    return Shape(dimensions)
  }

  /// One loop of broadcast arithmetic: how often, and elements to move in each operand.
  struct BroadcastAxis {
    var extent: Int
    var first: Int
    var second: Int
  }

  /// The loops over `shape`, neighbours merged where both operands allow; one of extent 1 for single elements.
  private func mergedAxes(_ shape: Shape, _ first: Shape, _ second: Shape) -> [BroadcastAxis] {
    func stride(_ operand: Shape, _ axis: Int) -> Int {
      let own = axis - (shape.rank - operand.rank)
      return own < 0 || operand[own] == 1 ? 0 : operand.stride(of: own)
    }
    var axes: [BroadcastAxis] = []
    for axis in 0..<shape.rank where shape[axis] > 1 {
      let next = BroadcastAxis(extent: shape[axis], first: stride(first, axis), second: stride(second, axis))
      if let outer = axes.last, outer.first == next.first * next.extent, outer.second == next.second * next.extent {
        axes[axes.count - 1] = BroadcastAxis(
          extent: outer.extent * next.extent, first: next.first, second: next.second)
      } else {
        axes.append(next)
      }
    }
    return axes.isEmpty ? [BroadcastAxis(extent: 1, first: 1, second: 1)] : axes
  }
}
