/// Appends little-endian values to a byte array.
public struct ByteWriter {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  public mutating func write<Value: FixedWidthInteger>(_ value: Value) {
    var value = value
    for _ in 0..<Value.bitWidth / 8 {
      bytes.append(UInt8(truncatingIfNeeded: value))
      value = Value.bitWidth > 8 ? value >> 8 : 0
    }
  }

  /// A count or an offset as 64 bits.
  public mutating func write(_ value: Int) { write(Int64(value)) }
  public mutating func write(_ value: Float) { write(value.bitPattern) }
  public mutating func write(_ value: Bool) { write(UInt8(value ? 1 : 0)) }

  /// 16-bit length, then UTF-8.
  public mutating func write(_ text: String) {
    let utf8 = Array(text.utf8.prefix(ModelLimits.nameByteCountMax))
    write(UInt16(utf8.count))
    bytes.append(contentsOf: utf8)
  }

  /// 32-bit count, then the values.
  public mutating func write<Value: FixedWidthInteger>(_ values: [Value]) {
    write(UInt32(values.count))
    for value in values { if Value.self == Int.self { write(Int64(value)) } else { write(value) } }
  }
}
