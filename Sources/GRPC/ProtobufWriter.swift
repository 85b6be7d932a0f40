/// Appends a protobuf message to bytes. What has its type's zero is left out, as in proto3.
public struct ProtobufWriter {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  public mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  public mutating func field(_ number: Int, _ value: UInt64) {
    guard value != 0 else { return }
    varint(UInt64(number) << 3)
    varint(value)
  }

  public mutating func field(_ number: Int, _ value: Int64) { field(number, UInt64(bitPattern: value)) }
  public mutating func field(_ number: Int, _ value: Bool) { field(number, value ? 1 as UInt64 : 0) }

  public mutating func field(_ number: Int, _ text: String) {
    guard !text.isEmpty else { return }
    repeated(number, text)
  }

  /// An element of a repeated field: also where it is empty.
  public mutating func repeated(_ number: Int, _ text: String) {
    begin(number, byteCount: text.utf8.count)
    bytes.append(contentsOf: text.utf8)
  }

  /// A field of `byteCount` bytes that the caller appends next, or sends after these.
  public mutating func begin(_ number: Int, byteCount: Int) {
    varint(UInt64(number) << 3 | 2)
    varint(UInt64(byteCount))
  }

  public mutating func message(_ number: Int, _ message: ProtobufWriter) {
    begin(number, byteCount: message.bytes.count)
    bytes += message.bytes
  }

  /// Numbers in one field, as proto3 has them.
  public mutating func packed(_ number: Int, _ values: [Int64]) {
    guard !values.isEmpty else { return }
    var inner = ProtobufWriter()
    for value in values { inner.varint(UInt64(bitPattern: value)) }
    message(number, inner)
  }

  // MARK: Fields of a oneof: there also where they are zero

  public mutating func chosen(_ number: Int, _ value: Int64) {
    varint(UInt64(number) << 3)
    varint(UInt64(bitPattern: value))
  }

  public mutating func chosen(_ number: Int, _ flag: Bool) { chosen(number, flag ? 1 as Int64 : 0) }

  public mutating func chosen(_ number: Int, _ value: Double) {
    varint(UInt64(number) << 3 | 1)
    let bits = value.bitPattern.littleEndian
    withUnsafeBytes(of: bits) { bytes.append(contentsOf: $0) }
  }
}
