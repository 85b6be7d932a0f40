/// Takes little-endian values from bytes; every read is checked against the end.
public struct ByteReader {
  private let bytes: UnsafeRawBufferPointer
  public private(set) var offset = 0

  public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  public var remaining: Int { bytes.count - offset }

  public mutating func read<Value: FixedWidthInteger>(_ type: Value.Type, _ what: StaticString) throws(ModelFileError)
    -> Value
  {
    let count = Value.bitWidth / 8
    guard remaining >= count else { throw .invalid("the metadata ends inside \(what)") }
    let value = bytes.loadUnaligned(fromByteOffset: offset, as: Value.self)
    offset += count
    return Value(littleEndian: value)
  }

  /// A 64-bit number in 0…limit.
  public mutating func readCount(_ what: StaticString, limit: Int) throws(ModelFileError) -> Int {
    let value = try read(UInt64.self, what)
    guard value <= UInt64(limit) else {
      throw .tooLarge(part: "\(what)", count: Int(clamping: value), limit: limit)
    }
    return Int(value)
  }

  /// A 32-bit number in 0…limit.
  public mutating func readShortCount(_ what: StaticString, limit: Int) throws(ModelFileError) -> Int {
    let value = Int(try read(UInt32.self, what))
    guard value <= limit else { throw .tooLarge(part: "\(what)", count: value, limit: limit) }
    return value
  }

  public mutating func readFloat(_ what: StaticString) throws(ModelFileError) -> Float {
    let value = Float(bitPattern: try read(UInt32.self, what))
    guard value.isFinite else { throw .invalid("\(what) is not a finite number") }
    return value
  }

  public mutating func readBool(_ what: StaticString) throws(ModelFileError) -> Bool {
    switch try read(UInt8.self, what) {
    case 0: return false
    case 1: return true
    case let other: throw .invalid("\(what) is \(other), not 0 or 1")
    }
  }

  public mutating func readText(_ what: StaticString) throws(ModelFileError) -> String {
    let count = Int(try read(UInt16.self, what))
    guard count <= ModelLimits.nameByteCountMax, remaining >= count else {
      throw .invalid("\(what) is longer than what holds it")
    }
    let text = String(decoding: bytes[offset..<offset + count], as: UTF8.self)
    offset += count
    return text
  }

  /// 32-bit count, then as many values; the count is checked against the bytes left before anything is allocated.
  public mutating func readArray<Value: FixedWidthInteger>(
    _ type: Value.Type, _ what: StaticString, limit: Int
  ) throws(ModelFileError) -> [Value] {
    let count = try readShortCount(what, limit: limit)
    let byteCount = Value.bitWidth / 8
    guard remaining / byteCount >= count else { throw .invalid("the metadata ends inside \(what)") }
    let source = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count * byteCount])
    offset += count * byteCount
    // The standard library would write the count into the one empty array that all threads share.
    guard count > 0 else { return [] }
    var values = [Value](unsafeUninitializedCapacity: count) { buffer, initialized in
      UnsafeMutableRawBufferPointer(buffer).copyMemory(from: source)
      initialized = count
    }
    // Nothing to do on little-endian processors.
    for index in values.indices where values[index].littleEndian != values[index] {
      values[index] = Value(littleEndian: values[index])
    }
    return values
  }

  /// Passes over bytes.
  public mutating func skip(_ count: Int, _ what: StaticString) throws(ModelFileError) {
    guard remaining >= count else { throw .invalid("the metadata ends inside \(what)") }
    offset += count
  }

  /// An enumeration's raw byte.
  public mutating func readCase<Value: RawRepresentable>(_ type: Value.Type, _ what: StaticString)
    throws(ModelFileError)
    -> Value
  where Value.RawValue == UInt8 {
    let raw = try read(UInt8.self, what)
    guard let value = Value(rawValue: raw) else { throw .invalid("\(what) has no case \(raw)") }
    return value
  }
}
