import System

/// Sizes as people write them: bytes, or K, M, G (1024-based; `KiB`, `MB` and the like are understood).
public enum ByteCount {
  /// The number of bytes that a text such as `64M` means; nil where it means none or overflows.
  public static func parse(_ text: String) -> Int? {
    var digits = 0
    var value: Int?
    let bytes = Array(text.utf8)
    for byte in bytes {
      guard byte >= 48 && byte <= 57 else { break }
      let (scaled, overflow) = (value ?? 0).multipliedReportingOverflow(by: 10)
      let (sum, carry) = scaled.addingReportingOverflow(Int(byte - 48))
      if overflow || carry { return nil }
      value = sum
      digits += 1
    }
    guard let value else { return nil }
    var suffix = bytes[digits...].map { $0 | 0x20 }
    if suffix.last == UInt8(ascii: "b") { suffix.removeLast() }
    if suffix.count == 2, suffix[1] == UInt8(ascii: "i") { suffix.removeLast() }
    let shift: Int
    switch suffix.first {
    case nil: shift = 0
    case UInt8(ascii: "k"): shift = 10
    case UInt8(ascii: "m"): shift = 20
    case UInt8(ascii: "g"): shift = 30
    default: return nil
    }
    guard suffix.count <= 1, value <= Int.max >> shift else { return nil }
    return value << shift
  }

  /// For people: `3.4 MiB`.
  public static func text(_ byteCount: Int) -> String {
    let value = Double(byteCount)
    if byteCount >= 1 << 30 { return Console.fixed(value / Double(1 << 30), 2) + " GiB" }
    if byteCount >= 1 << 20 { return Console.fixed(value / Double(1 << 20), 2) + " MiB" }
    if byteCount >= 1 << 10 { return Console.fixed(value / Double(1 << 10), 1) + " KiB" }
    return "\(byteCount) bytes"
  }

  /// What to give an option so that it means at least `byteCount`: whole KiB, or whole MiB where that is near enough.
  public static func option(_ byteCount: Int) -> String {
    byteCount >= 64 << 20 ? "\((byteCount + (1 << 20) - 1) >> 20)M" : "\((byteCount + 1023) >> 10)K"
  }
}
