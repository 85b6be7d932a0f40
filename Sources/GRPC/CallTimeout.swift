/// The header `grpc-timeout`: up to eight digits and a unit.
public enum CallTimeout {
  /// Nanoseconds; nil where the header is malformed. At most some 31 years.
  public static func nanoseconds(_ text: UnsafeRawBufferPointer) -> Int64? {
    guard let unit = text.last, text.count >= 2, text.count <= 9 else { return nil }
    var value: Int64 = 0
    for byte in text.dropLast() {
      guard byte >= 48, byte <= 57 else { return nil }
      value = value * 10 + Int64(byte - 48)
    }
    let scale: Int64
    switch unit {
    case UInt8(ascii: "H"): scale = 3_600_000_000_000
    case UInt8(ascii: "M"): scale = 60_000_000_000
    case UInt8(ascii: "S"): scale = 1_000_000_000
    case UInt8(ascii: "m"): scale = 1_000_000
    case UInt8(ascii: "u"): scale = 1000
    case UInt8(ascii: "n"): scale = 1
    default: return nil
    }
    let (product, overflow) = value.multipliedReportingOverflow(by: scale)
    return overflow ? nanosecondsMax : min(product, nanosecondsMax)
  }

  private static let nanosecondsMax: Int64 = 1_000_000_000_000_000_000
}
