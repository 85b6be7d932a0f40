/// What the next value of a JSON text is.
public enum JSONKind: Equatable, Sendable {
  case object, array, string, number, bool, null
}

/// A strict RFC 8259 pull parser over bytes that the caller keeps.
///
/// It builds nothing by itself: the caller asks for the next key, element or value, or skips one. So a "data" array of
/// millions of numbers is skipped while the request is read and decoded into its tensor afterwards. No bytes make it
/// trap; a call that does not fit the text throws. The bytes must outlive the reader.
public struct JSONReader {
  let bytes: UnsafeRawBufferPointer
  /// Where the next unread byte is.
  public internal(set) var offset: Int
  private var depth = 0
  /// Whether nothing of the innermost open array or object has been read.
  private var isFirst = false

  public init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
    offset = 0
  }

  // MARK: Values

  /// What the next value is, by its first byte.
  public mutating func peekKind() throws(ProtocolError) -> JSONKind {
    switch nextByte() {
    case Byte.openBrace: return .object
    case Byte.openBracket: return .array
    case Byte.quote: return .string
    case Byte.minus, Byte.zero...Byte.nine: return .number
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    default: throw fault(.unexpectedByte)
    }
  }

  public mutating func readBool() throws(ProtocolError) -> Bool {
    switch nextByte() {
    case UInt8(ascii: "t"):
      try readLiteral("true")
      return true
    case UInt8(ascii: "f"):
      try readLiteral("false")
      return false
    default: throw fault(.expectedBool)
    }
  }

  public mutating func readNull() throws(ProtocolError) {
    guard nextByte() == UInt8(ascii: "n") else { throw fault(.literal) }
    try readLiteral("null")
  }

  /// Reads and checks a whole value without keeping it. Returns where it stood.
  @discardableResult
  public mutating func skipValue() throws(ProtocolError) -> Range<Int> {
    let kind = try peekKind()
    let start = offset
    switch kind {
    case .object:
      try beginObject()
      while try skipKey() { try skipValue() }
    case .array:
      try beginArray()
      while try nextElement() {
        _ = nextByte()
        if scanShortInteger() == nil { try skipValue() }
      }
    case .string: _ = try scanString()
    case .number: _ = try scanNumber()
    case .bool: _ = try readBool()
    case .null: try readNull()
    }
    return start..<offset
  }

  /// Moves past an array whose elements are checked where they are decoded: looks at strings and brackets alone, eight bytes at once.
  /// Returns where it stood.
  mutating func skipElements() throws(ProtocolError) -> Range<Int> {
    guard nextByte() == Byte.openBracket else { throw fault(.expectedArray) }
    let start = offset
    var openCount = 0
    repeat {
      while bytes.count - offset >= 8 {
        let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        // Brackets have these two bits, and nothing of a number has both.
        let brackets = word & (word << 2) & 0x4040_4040_4040_4040
        let quotes = word ^ 0x2222_2222_2222_2222
        guard brackets | ((quotes &- 0x0101_0101_0101_0101) & ~quotes & 0x8080_8080_8080_8080) == 0 else { break }
        offset += 8
      }
      switch byte(at: offset) {
      case Byte.openBracket: openCount += 1
      case Byte.closeBracket: openCount -= 1
      case Byte.quote:
        _ = try scanString()
        continue
      default: guard offset < bytes.count else { throw .json(.truncated, offset: offset) }
      }
      offset += 1
    } while openCount > 0
    return start..<offset
  }

  /// Checks that only white space is left.
  public mutating func finish() throws(ProtocolError) {
    _ = nextByte()
    guard offset >= bytes.count else { throw .json(.trailingBytes, offset: offset) }
  }

  // MARK: Arrays and objects

  public mutating func beginObject() throws(ProtocolError) {
    try begin(Byte.openBrace, orThrow: .expectedObject)
  }

  public mutating func beginArray() throws(ProtocolError) {
    try begin(Byte.openBracket, orThrow: .expectedArray)
  }

  /// Moves to the next member and reads its name, or ends the object and returns nil.
  public mutating func nextKey() throws(ProtocolError) -> String? {
    guard try nextItem(end: Byte.closeBrace) else { return nil }
    guard nextByte() == Byte.quote else { throw fault(.expectedKey) }
    let key = try readString()
    try readColon()
    return key
  }

  /// Moves to the next element, or ends the array and returns false.
  @inline(__always)
  public mutating func nextElement() throws(ProtocolError) -> Bool {
    try nextItem(end: Byte.closeBracket)
  }

  private mutating func skipKey() throws(ProtocolError) -> Bool {
    guard try nextItem(end: Byte.closeBrace) else { return false }
    guard nextByte() == Byte.quote else { throw fault(.expectedKey) }
    _ = try scanString()
    try readColon()
    return true
  }

  private mutating func begin(_ byte: UInt8, orThrow wrong: JSONFault) throws(ProtocolError) {
    guard nextByte() == byte else { throw fault(wrong) }
    guard depth < ProtocolLimits.jsonDepthMax else { throw .json(.tooDeep, offset: offset) }
    depth += 1
    offset += 1
    isFirst = true
  }

  @inline(__always)
  private mutating func nextItem(end: UInt8) throws(ProtocolError) -> Bool {
    let byte = nextByte()
    if byte == end {
      offset += 1
      // An unbalanced call must not underflow.
      depth = max(0, depth - 1)
      isFirst = false
      return false
    }
    if isFirst {
      isFirst = false
    } else {
      guard byte == Byte.comma else { throw fault(.expectedCommaOrEnd) }
      offset += 1
    }
    return true
  }

  // MARK: Bytes

  /// The next byte that is not white space, unread; 0, which starts nothing, at the end.
  @inline(__always)
  mutating func nextByte() -> UInt8 {
    while offset < bytes.count {
      let byte = bytes[offset]
      // Space, tab, line feed, carriage return.
      guard byte <= Byte.space, (1 as UInt64) << UInt64(byte) & 0x1_0000_2600 != 0 else { return byte }
      offset += 1
    }
    return 0
  }

  /// The byte at an offset; 0 past the end.
  @inline(__always)
  func byte(at index: Int) -> UInt8 { index < bytes.count ? bytes[index] : 0 }

  /// The error for the unread byte: `.truncated` at the end of the text.
  func fault(_ wrong: JSONFault) -> ProtocolError {
    .json(offset >= bytes.count ? .truncated : wrong, offset: offset)
  }

  private mutating func readColon() throws(ProtocolError) {
    guard nextByte() == Byte.colon else { throw fault(.expectedColon) }
    offset += 1
  }

  private mutating func readLiteral(_ literal: StaticString) throws(ProtocolError) {
    for index in 0..<literal.utf8CodeUnitCount {
      guard byte(at: offset) == literal.utf8Start[index] else { throw fault(.literal) }
      offset += 1
    }
  }
}
