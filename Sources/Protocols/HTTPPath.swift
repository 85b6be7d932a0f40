/// Paths of request targets: split at slashes first, then percent-decoded, so that `%2F` stays in its segment.
enum HTTPPath {
  /// Segments of a target in origin form, or in absolute form whose host is ignored. One slash at the end is allowed.
  /// Errors: no leading slash, bad escapes, NUL or invalid UTF-8 in a segment, too many segments.
  static func segments(_ bytes: UnsafeRawBufferPointer, _ target: Range<Int>) throws(ProtocolError) -> [String] {
    if target.count == 1, bytes[target.lowerBound] == UInt8(ascii: "*") { return ["*"] }
    let path = path(bytes, target)
    var segments: [String] = []
    guard !path.isEmpty else { return segments }
    guard bytes[path.lowerBound] == Byte.slash else { throw .http(.target, offset: path.lowerBound) }
    var start = path.lowerBound + 1
    while start < path.upperBound {
      var end = start
      while end < path.upperBound, bytes[end] != Byte.slash { end += 1 }
      guard segments.count < ProtocolLimits.pathSegmentsMax else { throw .http(.tooManySegments, offset: start) }
      segments.append(try decode(bytes, start..<end))
      start = end + 1
    }
    return segments
  }

  /// Appends segments as a path: all but RFC 3986's unreserved characters escaped.
  static func append(_ segments: [String], to bytes: inout [UInt8]) {
    if segments.isEmpty { bytes.append(Byte.slash) }
    for segment in segments {
      bytes.append(Byte.slash)
      for byte in segment.utf8 { appendEscaped(byte, to: &bytes) }
    }
  }

  /// The target without scheme, host, query and fragment.
  private static func path(_ bytes: UnsafeRawBufferPointer, _ target: Range<Int>) -> Range<Int> {
    var start = target.lowerBound
    for scheme in ["http://", "https://"] where target.count >= scheme.utf8.count {
      let prefix = target.lowerBound..<(target.lowerBound + scheme.utf8.count)
      guard bytes.equalsIgnoringCase(prefix, scheme) else { continue }
      start = prefix.upperBound
      while start < target.upperBound, bytes[start] != Byte.slash, bytes[start] != Byte.questionMark { start += 1 }
    }
    var end = start
    while end < target.upperBound, bytes[end] != Byte.questionMark, bytes[end] != UInt8(ascii: "#") { end += 1 }
    return start..<end
  }

  private static func decode(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) throws(ProtocolError) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(range.count)
    var index = range.lowerBound
    while index < range.upperBound {
      guard bytes[index] == Byte.percent else {
        text.append(bytes[index])
        index += 1
        continue
      }
      guard range.upperBound - index >= 3, let high = Byte.hexValue(bytes[index + 1]),
        let low = Byte.hexValue(bytes[index + 2]), high | low != 0
      else { throw .http(.target, offset: index) }
      text.append(high << 4 | low)
      index += 3
    }
    guard text.withUnsafeBytes({ $0.isValidUTF8 }) else { throw .http(.target, offset: range.lowerBound) }
    return String(decoding: text, as: UTF8.self)
  }

  private static func appendEscaped(_ byte: UInt8, to bytes: inout [UInt8]) {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
      UInt8(ascii: "~"):
      bytes.append(byte)
    default:
      let digits: StaticString = "0123456789ABCDEF"
      bytes += [Byte.percent, digits.utf8Start[Int(byte >> 4)], digits.utf8Start[Int(byte & 15)]]
    }
  }
}
