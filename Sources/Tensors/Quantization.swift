/// The affine map of a quantized tensor: real = scale · (stored − zeroPoint).
///
/// One scale and zero point for the whole tensor: activations are always quantized so; weights' per-channel scales live
/// in the requantization of the operator that uses them.
public struct Quantization: Equatable, Sendable {
  public let scale: Float
  public let zeroPoint: Int32

  public init(scale: Float, zeroPoint: Int32) {
    self.scale = scale
    self.zeroPoint = zeroPoint
  }
}
