import Protocols

/// The lines of minisign's files, of which none is believed.
enum SignatureText {
  /// Lines without their ends, those of DOS included, as minisign reads them.
  static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
      var line = line
      while line.last == UInt8(ascii: "\r") { line.removeLast() }
      return line
    }
  }

  /// What follows `prefix`; nil where the line does not begin with it.
  static func text(of line: ArraySlice<UInt8>, after prefix: StaticString) -> ArraySlice<UInt8>? {
    guard line.count >= prefix.utf8CodeUnitCount,
      line.prefix(prefix.utf8CodeUnitCount).elementsEqual(
        UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
    else { return nil }
    return line.dropFirst(prefix.utf8CodeUnitCount)
  }

  /// So many bytes of padded base64; nil where the line is anything else, be it another spelling of the same bytes.
  static func base64(_ line: ArraySlice<UInt8>, byteCount: Int) -> [UInt8]? {
    let paddedByteCount = (byteCount + 2) / 3 * 3
    let paddingCount = paddedByteCount - byteCount
    guard line.count == paddedByteCount / 3 * 4,
      line.suffix(paddingCount).allSatisfy({ $0 == UInt8(ascii: "=") })
    else { return nil }
    // With digits of zero bits in place of the padding, the last group is whole, and what is beyond the bytes must be zero.
    let digits = line.dropLast(paddingCount) + [UInt8](repeating: UInt8(ascii: "A"), count: paddingCount)
    guard !digits.contains(UInt8(ascii: "=")), digits.allSatisfy({ $0 < 0x80 }),
      let bytes = Base64.decode(String(decoding: digits, as: UTF8.self)), bytes.count == paddedByteCount,
      bytes.suffix(paddingCount).allSatisfy({ $0 == 0 })
    else { return nil }
    return Array(bytes.prefix(byteCount))
  }
}
