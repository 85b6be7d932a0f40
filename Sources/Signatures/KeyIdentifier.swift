/// What tells one key from another in messages and signatures; it proves nothing.
public struct KeyIdentifier: Equatable, Sendable {
  static let byteCount = 8

  let number: UInt64

  /// From its eight bytes, the least significant first.
  init(_ bytes: ArraySlice<UInt8>) {
    number = bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// As `minisign` writes it.
  public var text: String {
    let digits = String(number, radix: 16, uppercase: true)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
  }
}
