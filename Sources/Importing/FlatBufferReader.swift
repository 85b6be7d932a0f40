/// Bounds-checked little-endian reads of a FlatBuffer. Offsets are bytes from the start of the file.
///
/// Every access is checked against the file, so hostile bytes give an error, never a trap.
struct FlatBufferReader {
  let bytes: UnsafeRawBufferPointer

  /// Checks that `count` bytes lie at `offset`.
  func check(_ offset: Int, _ count: Int) throws(ImportError) {
    guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else {
      throw .damaged(offset: offset, byteCount: count, fileBytes: bytes.count)
    }
  }

  func integer<T: FixedWidthInteger>(_ type: T.Type, at offset: Int) throws(ImportError) -> T {
    try check(offset, MemoryLayout<T>.size)
    return T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
  }

  func float(at offset: Int) throws(ImportError) -> Float {
    Float(bitPattern: try integer(UInt32.self, at: offset))
  }

  /// What the unsigned 32-bit offset at `offset` points to.
  func target(of offset: Int) throws(ImportError) -> Int {
    let target = offset + Int(try integer(UInt32.self, at: offset))
    try check(target, 0)
    return target
  }

  func table(at offset: Int) throws(ImportError) -> FlatTable {
    let vtable = offset - Int(try integer(Int32.self, at: offset))
    let size = Int(try integer(UInt16.self, at: vtable))
    guard size >= 4 else { throw .damaged(offset: vtable, byteCount: 4, fileBytes: bytes.count) }
    try check(vtable, size)
    return FlatTable(reader: self, position: offset, vtable: vtable, vtableSize: size)
  }

  /// The vector that starts at `offset`, of elements of `elementBytes`.
  func vector(at offset: Int, elementBytes: Int) throws(ImportError) -> FlatVector {
    let count = Int(try integer(UInt32.self, at: offset))
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: elementBytes)
    guard !overflow else { throw .damaged(offset: offset, byteCount: count, fileBytes: bytes.count) }
    try check(offset + 4, byteCount)
    return FlatVector(reader: self, start: offset + 4, count: count, elementBytes: elementBytes)
  }
}

/// A table: fields found through its vtable, defaults where one is absent.
struct FlatTable {
  let reader: FlatBufferReader
  let position: Int
  let vtable: Int
  let vtableSize: Int

  /// Where field number `field` (0 for the first of the schema) is stored; nil where it has its default.
  func offset(of field: Int) throws(ImportError) -> Int? {
    let slot = 4 + 2 * field
    guard slot + 2 <= vtableSize else { return nil }
    let offset = Int(try reader.integer(UInt16.self, at: vtable + slot))
    return offset == 0 ? nil : position + offset
  }

  func integer<T: FixedWidthInteger>(_ field: Int, _ type: T.Type, default value: T = 0) throws(ImportError) -> Int {
    guard let offset = try offset(of: field) else { return Int(truncatingIfNeeded: value) }
    return Int(truncatingIfNeeded: try reader.integer(type, at: offset))
  }

  func bool(_ field: Int) throws(ImportError) -> Bool { try integer(field, UInt8.self) != 0 }

  func float(_ field: Int) throws(ImportError) -> Float {
    guard let offset = try offset(of: field) else { return 0 }
    return try reader.float(at: offset)
  }

  func table(_ field: Int) throws(ImportError) -> FlatTable? {
    guard let offset = try offset(of: field) else { return nil }
    return try reader.table(at: try reader.target(of: offset))
  }

  func vector(_ field: Int, elementBytes: Int) throws(ImportError) -> FlatVector? {
    guard let offset = try offset(of: field) else { return nil }
    return try reader.vector(at: try reader.target(of: offset), elementBytes: elementBytes)
  }

  /// The text of a field, malformed UTF-8 repaired, shortened to `ImportLimits.nameBytesMax`; empty where it is absent.
  func string(_ field: Int) throws(ImportError) -> String {
    guard let vector = try vector(field, elementBytes: 1) else { return "" }
    return String(decoding: vector.bytes.prefix(ImportLimits.nameBytesMax), as: UTF8.self)
  }

  /// The elements of a vector of 32-bit integers; nil where the field is absent.
  func integers(_ field: Int) throws(ImportError) -> [Int]? {
    guard let vector = try vector(field, elementBytes: 4) else { return nil }
    var values: [Int] = []
    values.reserveCapacity(vector.count)
    for index in 0..<vector.count { values.append(Int(try reader.integer(Int32.self, at: vector.start + 4 * index))) }
    return values
  }

  /// The tables of a vector of offsets, none where the field is absent. More than `limit` are refused.
  func tables(_ field: Int, _ what: String, limit: Int) throws(ImportError) -> FlatTables {
    guard let vector = try vector(field, elementBytes: 4) else { return FlatTables(vector: nil) }
    guard vector.count <= limit else { throw .tooManyEntries(what, count: vector.count, countMax: limit) }
    return FlatTables(vector: vector)
  }
}

/// Tables named by a vector of offsets, each looked at when asked for: many offsets may name one table.
struct FlatTables {
  fileprivate let vector: FlatVector?

  var count: Int { vector?.count ?? 0 }
  var indices: Range<Int> { 0..<count }

  /// Precondition: `index` is one of `indices`.
  func table(_ index: Int) throws(ImportError) -> FlatTable {
    let vector = vector!
    return try vector.reader.table(at: try vector.reader.target(of: vector.start + 4 * index))
  }
}

/// A vector whose bytes have been checked to lie in the file.
struct FlatVector {
  let reader: FlatBufferReader
  let start: Int
  let count: Int
  let elementBytes: Int

  var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: reader.bytes[start..<start + count * elementBytes])
  }

  /// Element `index` of a vector of floats. Precondition: it exists.
  func float(_ index: Int) -> Float {
    Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)))
  }

  /// Element `index` of a vector of 64-bit integers. Precondition: it exists.
  func int64(_ index: Int) -> Int64 {
    Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: Int64.self))
  }
}
