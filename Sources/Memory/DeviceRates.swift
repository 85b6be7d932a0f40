/// How fast this device does what a memory plan trades against each other. Nanoseconds of one thread.
public struct DeviceRates: Sendable, Equatable {
  /// To decode a byte of weights, and to map a byte of the file again and let it go.
  public var decodeNanosecondsPerByte = 1.3
  public var passNanosecondsPerByte = 0.06
  /// What each entry of a stream costs besides: system calls, waking threads.
  public var entryNanoseconds = 3000.0

  public init() {}
}
