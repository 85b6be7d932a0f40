/// Bounds of what one message may bring.
public enum CallLimits {
  /// Names, and the configuration that a load brings.
  public static let textBytesMax = 1 << 20
  /// Tensors of a message, as over HTTP.
  public static let tensorsMax = 256
  /// Dimensions of a tensor: those that models have, and some.
  public static let dimensionsMax = 64
  /// Parameters of a message or a tensor.
  public static let parametersMax = 256
  /// A message's length, without the bytes that frame it, and what Triton takes.
  public static let messageBytesMax = 64 << 20
  /// In front of each message: whether it is compressed, and its length.
  public static let prefixBytes = 5
}
