/// Fields of a protobuf message, in the order of its bytes. It builds nothing: nested messages and texts are ranges of the bytes
/// that the caller keeps, so nothing is deeper than the caller goes. No bytes make it trap.
public struct ProtobufReader {
  public enum Value: Equatable, Sendable {
    case varint(UInt64)
    case fixed32(UInt32)
    case fixed64(UInt64)
    /// Where a text, a nested message or packed numbers stand in the bytes.
    case bytes(Range<Int>)
  }

  public struct Field: Equatable, Sendable {
    public let number: Int
    public let value: Value

    /// The number of a variable length; nil for a field of another form, which counts as unknown.
    public var varint: UInt64? {
      if case .varint(let value) = value { value } else { nil }
    }

    public var flag: Bool? { varint.map { $0 != 0 } }

    public var range: Range<Int>? {
      if case .bytes(let range) = value { range } else { nil }
    }
  }

  public let bytes: UnsafeRawBufferPointer
  public private(set) var offset: Int
  private let end: Int

  /// `range`: where the message stands; nil: all of the bytes.
  public init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>? = nil) {
    self.bytes = bytes
    let range = (range ?? 0..<bytes.count).clamped(to: 0..<bytes.count)
    (offset, end) = (range.lowerBound, range.upperBound)
  }

  public var isAtEnd: Bool { offset >= end }

  /// The next field; nil at the end. Errors: a field that is cut off, a number of over 64 bits, groups, which no message here has.
  public mutating func next() throws(CallError) -> Field? {
    guard offset < end else { return nil }
    let key = try readVarint()
    guard let number = Int(exactly: key >> 3), number > 0, number < 1 << 29 else { throw .malformed }
    switch key & 7 {
    case 0: return Field(number: number, value: .varint(try readVarint()))
    case 1: return Field(number: number, value: .fixed64(try readFixed(UInt64.self)))
    case 2:
      let count = try readVarint()
      guard count <= UInt64(end - offset) else { throw .malformed }
      let start = offset
      offset += Int(count)
      return Field(number: number, value: .bytes(start..<offset))
    case 5: return Field(number: number, value: .fixed32(try readFixed(UInt32.self)))
    default: throw .malformed
    }
  }

  /// A number as packed fields have it, without a key.
  public mutating func readVarint() throws(CallError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while offset < end {
      let byte = bytes[offset]
      offset += 1
      // The tenth byte has one bit left.
      guard shift < 63 || byte <= 1 else { throw .malformed }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
      guard shift < 70 else { throw .malformed }
    }
    throw .malformed
  }

  public mutating func readFixed<Number: FixedWidthInteger & BitwiseCopyable>(
    _ type: Number.Type
  ) throws(CallError) -> Number {
    guard end - offset >= MemoryLayout<Number>.size else { throw .malformed }
    defer { offset += MemoryLayout<Number>.size }
    return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
  }

  /// A text of the message. Errors: it is no UTF-8, or longer than texts here are.
  public func text(_ range: Range<Int>) throws(CallError) -> String {
    guard range.count <= CallLimits.textBytesMax,
      let text = String(
        validating: UnsafeRawBufferPointer(rebasing: bytes[range.clamped(to: 0..<bytes.count)]), as: UTF8.self)
    else { throw .malformed }
    return text
  }

  /// The texts of the fields 1 to `count`; empty where the message has none. Other fields are passed over.
  public static func texts(_ bytes: UnsafeRawBufferPointer, count: Int) throws(CallError) -> [String] {
    var texts = [String](repeating: "", count: count)
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      guard let range = field.range, field.number <= count else { continue }
      texts[field.number - 1] = try reader.text(range)
    }
    return texts
  }
}
