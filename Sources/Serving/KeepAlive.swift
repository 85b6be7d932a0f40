/// How long a model that nobody asks stays in memory.
public struct KeepAlive: Equatable, Sendable {
  /// Nil: for ever.
  public let nanoseconds: Int64?

  public static let forever = KeepAlive(nanoseconds: nil)
  /// Longer is the same as for ever.
  static let secondsMax: Int64 = 100_000_000

  private init(nanoseconds: Int64?) { self.nanoseconds = nanoseconds }

  /// Less than no time means for ever, as in other servers.
  public init(seconds: Int64) {
    nanoseconds = seconds < 0 || seconds > KeepAlive.secondsMax ? nil : seconds * 1_000_000_000
  }

  /// A number of seconds, or one with a unit (`500ms`, `90s`, `5m`, `2h`), or `forever`; nil where the text is neither.
  public init?(_ text: String) {
    if text == "forever" || text == "-1" {
      self = .forever
      return
    }
    let bytes = Array(text.utf8)
    let digits = bytes.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    guard !digits.isEmpty, let count = Int64(String(decoding: digits, as: UTF8.self)) else { return nil }
    let milliseconds: Int64
    switch String(decoding: bytes.dropFirst(digits.count), as: UTF8.self) {
    case "ms": milliseconds = 1
    case "", "s": milliseconds = 1000
    case "m": milliseconds = 60_000
    case "h": milliseconds = 3_600_000
    default: return nil
    }
    let (total, overflow) = count.multipliedReportingOverflow(by: milliseconds)
    self.init(nanoseconds: overflow || total > KeepAlive.secondsMax * 1000 ? nil : total * 1_000_000)
  }
}
