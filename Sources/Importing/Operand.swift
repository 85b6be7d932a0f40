import ModelFile
import Tensors

/// A tensor as an operator sees it while it is lowered: shape inferred, quantization in its own type.
struct Operand {
  /// Index in the file.
  var tensor: Int
  var name: String
  var type: ElementType
  var shape: Shape
  /// Scale and zero point; nil where the tensor is not quantized per tensor.
  var quantization: Quantization?

  /// Zero point of the tensor's bytes in the unsigned domain. Precondition: quantized.
  var zeroPoint: Int32 { quantization!.zeroPoint + (type == .int8 ? 128 : 0) }
  /// Precondition: quantized.
  var scale: Float { quantization!.scale }
  var byteCount: Int { shape.elementCount * type.byteCount }
}

/// What TFLite's `fused_activation_function` may be.
enum FusedActivation: Int {
  case none = 0
  case relu = 1
  case reluMinus1To1 = 2
  case relu6 = 3

  /// The reals it limits to; nil where a side is open.
  var range: (low: Float?, high: Float?) {
    switch self {
    case .none: (nil, nil)
    case .relu: (0, nil)
    case .reluMinus1To1: (-1, 1)
    case .relu6: (0, 6)
    }
  }
}

/// `low…high` in the bytes of `output` (unsigned domain), TFLite's CalculateActivationRangeQuantized.
func byteRange(_ range: (low: Float?, high: Float?), of output: Operand) -> (low: UInt8, high: UInt8) {
  func byte(_ real: Float) -> Float {
    Float(output.zeroPoint) + (real / output.scale).rounded(.toNearestOrAwayFromZero)
  }
  let low = range.low.map { UInt8(max(0, min(255, byte($0)))) } ?? 0
  let high = range.high.map { UInt8(max(0, min(255, byte($0)))) } ?? 255
  return (low, high)
}
