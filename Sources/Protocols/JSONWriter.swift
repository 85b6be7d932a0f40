/// Appends a JSON text to bytes. It puts the commas; the caller keeps objects and arrays balanced.
public struct JSONWriter {
  public var bytes: [UInt8]
  private var needsComma = false

  public init(_ bytes: [UInt8] = []) { self.bytes = bytes }

  // MARK: Arrays and objects

  public mutating func beginObject() { begin(Byte.openBrace) }
  public mutating func endObject() { end(Byte.closeBrace) }
  public mutating func beginArray() { begin(Byte.openBracket) }
  public mutating func endArray() { end(Byte.closeBracket) }

  /// The name of the member whose value is written next.
  public mutating func key(_ name: String) {
    string(name)
    bytes.append(Byte.colon)
    needsComma = false
  }

  // MARK: Values

  public mutating func null() { literal("null") }
  public mutating func bool(_ value: Bool) { literal(value ? "true" : "false") }

  public mutating func int(_ value: Int64) {
    separate()
    appendDecimal(value)
  }

  public mutating func int(_ value: Int) { int(Int64(value)) }

  /// The shortest decimal that reads back as the same double; null for NaN and infinities, which JSON lacks.
  public mutating func double(_ value: Double) { literal(value.isFinite ? value.description : "null") }

  /// The shortest decimal that reads back as the same float; null for NaN and infinities, which JSON lacks.
  public mutating func float(_ value: Float) { literal(value.isFinite ? value.description : "null") }

  /// A string, with what JSON demands escaped and nothing else.
  public mutating func string(_ value: String) {
    separate()
    bytes.append(Byte.quote)
    for byte in value.utf8 { appendEscaped(byte) }
    bytes.append(Byte.quote)
  }

  /// The same of bytes that are UTF-8.
  public mutating func string(_ value: [UInt8]) {
    separate()
    bytes.append(Byte.quote)
    for byte in value { appendEscaped(byte) }
    bytes.append(Byte.quote)
  }

  public mutating func value(_ tree: JSON) {
    switch tree {
    case .null: null()
    case .bool(let value): bool(value)
    case .int(let value): int(value)
    case .double(let value): double(value)
    case .string(let value): string(value)
    case .array(let elements):
      beginArray()
      for element in elements { value(element) }
      endArray()
    case .object(let members):
      beginObject()
      for member in members {
        key(member.name)
        value(member.value)
      }
      endObject()
    }
  }

  /// A value whose text the caller already has, such as a configuration file's; it must be valid JSON.
  public mutating func raw(_ text: [UInt8]) {
    separate()
    bytes.append(contentsOf: text)
  }

  // MARK: Members

  public mutating func member(_ name: String, _ value: String) {
    key(name)
    string(value)
  }

  public mutating func member(_ name: String, _ value: Int) {
    key(name)
    int(value)
  }

  public mutating func member(_ name: String, _ value: Double) {
    key(name)
    double(value)
  }

  public mutating func member(_ name: String, _ value: Bool) {
    key(name)
    bool(value)
  }

  public mutating func member(_ name: String, _ values: [String]) {
    key(name)
    beginArray()
    for value in values { string(value) }
    endArray()
  }

  public mutating func member(_ name: String, _ values: [Int]) {
    key(name)
    beginArray()
    for value in values { int(value) }
    endArray()
  }

  // MARK: Bytes

  private mutating func begin(_ byte: UInt8) {
    separate()
    bytes.append(byte)
    needsComma = false
  }

  private mutating func end(_ byte: UInt8) {
    bytes.append(byte)
    needsComma = true
  }

  @inline(__always)
  private mutating func separate() {
    if needsComma { bytes.append(Byte.comma) }
    needsComma = true
  }

  private mutating func literal(_ text: String) {
    separate()
    bytes.append(contentsOf: text.utf8)
  }

  private mutating func appendDecimal(_ value: Int64) {
    if value < 0 { bytes.append(Byte.minus) }
    var magnitude = value.magnitude
    let start = bytes.count
    repeat {
      bytes.append(Byte.zero + UInt8(truncatingIfNeeded: magnitude % 10))
      magnitude /= 10
    } while magnitude > 0
    bytes[start...].reverse()
  }

  private mutating func appendEscaped(_ byte: UInt8) {
    switch byte {
    case Byte.quote, Byte.backslash: bytes += [Byte.backslash, byte]
    case Byte.lineFeed: bytes += [Byte.backslash, UInt8(ascii: "n")]
    case Byte.carriageReturn: bytes += [Byte.backslash, UInt8(ascii: "r")]
    case Byte.tab: bytes += [Byte.backslash, UInt8(ascii: "t")]
    case 0..<Byte.space:
      let digits: StaticString = "0123456789abcdef"
      bytes += [Byte.backslash, UInt8(ascii: "u"), Byte.zero, Byte.zero]
      bytes += [digits.utf8Start[Int(byte >> 4)], digits.utf8Start[Int(byte & 15)]]
    default: bytes.append(byte)
    }
  }
}

/// A value with a JSON form.
public protocol JSONWritable {
  func write(to writer: inout JSONWriter)
}

extension JSONWritable {
  /// The JSON text alone.
  public var jsonBytes: [UInt8] {
    var writer = JSONWriter()
    write(to: &writer)
    return writer.bytes
  }
}
