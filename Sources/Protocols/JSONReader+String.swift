extension JSONReader {
  /// Where a string's text stands between the quotation marks.
  struct ScannedString {
    let content: Range<Int>
    let hasEscapes: Bool
  }

  /// Reads a string. Errors: bad escapes, lone surrogates, control characters, invalid UTF-8, over
  /// `ProtocolLimits.jsonStringBytesMax` bytes.
  public mutating func readString() throws(ProtocolError) -> String {
    guard nextByte() == Byte.quote else { throw fault(.expectedString) }
    let start = offset
    let scanned = try scanString()
    guard scanned.content.count <= ProtocolLimits.jsonStringBytesMax else {
      throw .json(.stringTooLong, offset: start)
    }
    return scanned.hasEscapes ? unescape(scanned.content) : bytes.string(scanned.content)
  }

  /// The same, as bytes that are valid during the call.
  mutating func withStringBytes(_ body: (UnsafeRawBufferPointer) throws(ProtocolError) -> Void) throws(ProtocolError) {
    guard nextByte() == Byte.quote else { throw fault(.expectedString) }
    let start = offset
    let scanned = try scanString()
    guard scanned.content.count <= ProtocolLimits.jsonStringBytesMax else {
      throw .json(.stringTooLong, offset: start)
    }
    guard scanned.hasEscapes else { return try body(UnsafeRawBufferPointer(rebasing: bytes[scanned.content])) }
    try Array(unescape(scanned.content).utf8).withUnsafeBufferPointer { (text) throws(ProtocolError) in
      try body(UnsafeRawBufferPointer(text))
    }
  }

  /// Checks a string and moves past it. Precondition: the next byte is its quotation mark.
  mutating func scanString() throws(ProtocolError) -> ScannedString {
    offset += 1
    let start = offset
    var hasEscapes = false
    while offset < bytes.count {
      let byte = bytes[offset]
      switch byte {
      case Byte.quote:
        offset += 1
        return ScannedString(content: start..<(offset - 1), hasEscapes: hasEscapes)
      case Byte.backslash:
        hasEscapes = true
        try scanEscape()
      case 0..<Byte.space: throw .json(.controlCharacter, offset: offset)
      case 0x80...:
        guard let length = bytes.multibyteLength(at: offset) else { throw .json(.utf8, offset: offset) }
        offset += length
      default: offset += 1
      }
    }
    throw .json(.truncated, offset: offset)
  }

  private mutating func scanEscape() throws(ProtocolError) {
    switch byte(at: offset + 1) {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      offset += 2
    case UInt8(ascii: "u"):
      guard let unit = codeUnit(at: offset) else { throw .json(.escape, offset: offset) }
      switch unit {
      case 0xD800...0xDBFF:
        guard let low = codeUnit(at: offset + 6), (0xDC00...0xDFFF).contains(low) else {
          throw .json(.surrogate, offset: offset)
        }
        offset += 12
      case 0xDC00...0xDFFF: throw .json(.surrogate, offset: offset)
      default: offset += 6
      }
    default: throw .json(.escape, offset: offset)
    }
  }

  /// The UTF-16 code unit that `\uXXXX` at an offset spells, or nil where there is none.
  private func codeUnit(at index: Int) -> UInt32? {
    guard byte(at: index) == Byte.backslash, byte(at: index + 1) == UInt8(ascii: "u") else { return nil }
    var unit: UInt32 = 0
    for digit in 2..<6 {
      guard let value = Byte.hexValue(byte(at: index + digit)) else { return nil }
      unit = unit << 4 | UInt32(value)
    }
    return unit
  }

  /// The text of a range that `scanString` has checked.
  private func unescape(_ content: Range<Int>) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(content.count)
    var index = content.lowerBound
    while index < content.upperBound {
      guard bytes[index] == Byte.backslash else {
        text.append(bytes[index])
        index += 1
        continue
      }
      switch byte(at: index + 1) {
      case UInt8(ascii: "b"): text.append(0x08)
      case UInt8(ascii: "f"): text.append(0x0C)
      case UInt8(ascii: "n"): text.append(Byte.lineFeed)
      case UInt8(ascii: "r"): text.append(Byte.carriageReturn)
      case UInt8(ascii: "t"): text.append(Byte.tab)
      case UInt8(ascii: "u"):
        var scalar = codeUnit(at: index) ?? 0xFFFD
        if (0xD800...0xDBFF).contains(scalar), let low = codeUnit(at: index + 6) {
          scalar = 0x10000 + (scalar & 0x3FF) << 10 + (low & 0x3FF)
          index += 6
        }
        text.append(contentsOf: UTF8.encode(Unicode.Scalar(scalar) ?? "\u{FFFD}") ?? UTF8.encodedReplacementCharacter)
        index += 4
      case let plain: text.append(plain)
      }
      index += 2
    }
    return String(decoding: text, as: UTF8.self)
  }
}
