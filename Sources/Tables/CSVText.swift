/// Text of comma-separated values (RFC 4180): fields may be quoted, and a quotation mark in one is written twice. Lines end with a
/// line feed, with or without a carriage return.
struct CSVText {
  let bytes: UnsafeRawBufferPointer
  /// Where the next record begins.
  private(set) var offset: Int
  /// The line it begins on, from 1.
  private(set) var line = 1

  struct Field {
    var content: Range<Int>
    /// Whether quotation marks in it are written twice.
    var hasEscapes = false
  }

  init(_ bytes: UnsafeRawBufferPointer, offset: Int = 0) {
    self.bytes = bytes
    // A mark that the text is UTF-8 says nothing.
    self.offset = offset == 0 && bytes.prefix(3).elementsEqual([0xEF, 0xBB, 0xBF]) ? 3 : offset
  }

  /// The fields of the next record, in place of those in the list; false at the end. Lines without anything are passed over.
  mutating func next(_ fields: inout [Field]) throws(TableImportError) -> Bool {
    while offset < bytes.count, bytes[offset] == 0x0A || bytes[offset] == 0x0D {
      if bytes[offset] == 0x0A { line += 1 }
      offset += 1
    }
    guard offset < bytes.count else { return false }
    fields.removeAll(keepingCapacity: true)
    while true {
      fields.append(try field())
      guard offset < bytes.count else { return true }
      let byte = bytes[offset]
      offset += 1
      if byte == UInt8(ascii: ",") { continue }
      if byte == 0x0D, offset < bytes.count, bytes[offset] == 0x0A { offset += 1 }
      line += 1
      return true
    }
  }

  private mutating func field() throws(TableImportError) -> Field {
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") else {
      let start = offset
      while offset < bytes.count, bytes[offset] != UInt8(ascii: ","), bytes[offset] != 0x0A, bytes[offset] != 0x0D {
        offset += 1
      }
      return Field(content: start..<offset)
    }
    offset += 1
    var field = Field(content: offset..<offset)
    let firstLine = line
    while offset < bytes.count {
      if bytes[offset] == 0x0A { line += 1 }
      if bytes[offset] == UInt8(ascii: "\"") {
        guard offset + 1 < bytes.count, bytes[offset + 1] == UInt8(ascii: "\"") else { break }
        field.hasEscapes = true
        offset += 1
      }
      offset += 1
    }
    guard offset < bytes.count else {
      throw TableImportError("line \(firstLine): a quoted field does not end")
    }
    field.content = field.content.lowerBound..<offset
    offset += 1
    guard offset == bytes.count || [UInt8(ascii: ","), 0x0A, 0x0D].contains(bytes[offset]) else {
      throw TableImportError("line \(line): something follows a quoted field's end; write a \" in it twice")
    }
    return field
  }

  /// A field's bytes; `escaped` holds those that do not stand in the text as they are.
  func withText<Result>(
    _ field: Field, _ escaped: inout [UInt8], _ body: (UnsafeRawBufferPointer) throws(TableImportError) -> Result
  ) throws(TableImportError) -> Result {
    let raw = UnsafeRawBufferPointer(rebasing: bytes[field.content])
    guard field.hasEscapes else { return try body(raw) }
    escaped.removeAll(keepingCapacity: true)
    var index = 0
    while index < raw.count {
      escaped.append(raw[index])
      index += raw[index] == UInt8(ascii: "\"") ? 2 : 1
    }
    return try escaped.withUnsafeBufferPointer { (bytes) throws(TableImportError) in
      try body(UnsafeRawBufferPointer(bytes))
    }
  }

  func string(_ field: Field) -> String {
    var escaped: [UInt8] = []
    return (try? withText(field, &escaped) { String(decoding: $0, as: UTF8.self) }) ?? ""
  }
}
