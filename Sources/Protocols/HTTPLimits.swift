/// What one HTTP message may measure. The server takes both from its configuration.
public struct HTTPLimits: Equatable, Sendable {
  /// Bytes of the request line and all header lines, blank line included. Over it: status 431.
  public var headBytesMax: Int
  /// Bytes of the body after chunks are decoded. Over it: status 413.
  public var bodyBytesMax: Int

  public init(headBytesMax: Int = 16 << 10, bodyBytesMax: Int = 64 << 20) {
    self.headBytesMax = headBytesMax
    self.bodyBytesMax = bodyBytesMax
  }
}
