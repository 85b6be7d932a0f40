import ModelFile
import Tensors

/// Makes tables of what other programs write.
public enum TableImport {
  /// Bytes of memory that sorting takes for each row.
  public static let rowByteCount = 24
  /// Bytes of memory that writing takes: a compressor, blocks and texts.
  public static let writerByteCount = ZstdCompressor.byteCount + 4 * TableLimits.textByteCountMax

  /// A text of comma-separated values, whose first line names the columns. Rows are found by the column `key`; without one by the
  /// first. A column whose fields are all integers becomes INT64, all numbers FP32, else BYTES.
  public static func write(
    csv bytes: UnsafeRawBufferPointer, key: String?, to path: String, compresses: Bool = true
  ) throws(TableImportError) -> TableWriter.Summary {
    var text = CSVText(bytes)
    var fields: [CSVText.Field] = []
    guard try text.next(&fields) else { throw TableImportError("there is no first line that names the columns") }
    let names = fields.map { text.string($0) }
    let keyPlace = key.map { key in names.firstIndex(of: key) } ?? 0
    guard let keyPlace else {
      throw TableImportError("there is no column \(key ?? ""); there are \(names.joined(separator: ", "))")
    }
    try check(names, keyPlace)
    var kinds = names.map { _ in Kind.integer }
    var rows: [Row] = []
    var escaped: [UInt8] = []
    while true {
      let row = Row(offset: text.offset, line: text.line)
      guard try text.next(&fields) else { break }
      guard fields.count == names.count else {
        throw TableImportError("line \(row.line): \(fields.count) fields, where the first line names \(names.count)")
      }
      rows.append(row)
      for (place, field) in fields.enumerated() where place != keyPlace && kinds[place] != .text {
        kinds[place] = try text.withText(field, &escaped) { kinds[place].widened(by: $0) }
      }
    }
    guard !rows.isEmpty else { throw TableImportError("there are no rows after the first line") }
    try sort(&rows, text, keyPlace)
    let places = names.indices.filter { $0 != keyPlace }
    let columns = places.map { TableColumn(name: names[$0], elementType: kinds[$0].elementType) }
    return try writing(path, columns, isKeyed: true, compresses) { (writer) throws(TableImportError) in
      for row in rows {
        var record = CSVText(bytes, offset: row.offset)
        _ = try record.next(&fields)
        try record.withText(fields[keyPlace], &escaped) { (key) throws(TableImportError) in
          do throws(ModelFileError) { try writer.beginRow(key: key) } catch {
            throw TableImportError("line \(row.line): \(error.message)")
          }
        }
        for (column, place) in places.enumerated() {
          try record.withText(fields[place], &escaped) { (text) throws(TableImportError) in
            do throws(ModelFileError) { try kinds[place].add(text, to: column, writer) } catch {
              throw TableImportError("line \(row.line): \(error.message)")
            }
          }
        }
      }
    }
  }

  private struct Row {
    var offset: Int
    var line: Int
  }

  private static func check(_ names: [String], _ keyPlace: Int) throws(TableImportError) {
    guard names.count >= 2 else { throw TableImportError("there is a key and nothing to find by it: one column") }
    guard names.count <= TableLimits.columnCountMax else {
      throw TableImportError("\(names.count) columns, of at most \(TableLimits.columnCountMax)")
    }
    for (place, name) in names.enumerated() where place != keyPlace {
      guard !name.isEmpty, name.utf8.count <= 256, names.firstIndex(of: name) == place else {
        throw TableImportError("column \(place + 1) has no name, too long a one or another's: \(name)")
      }
      guard !Table.reservedNames.contains(name) else {
        throw TableImportError(
          "column \(place + 1) is called \(name), as what the table itself answers; call it otherwise")
      }
    }
  }

  /// By key; rows with the same one stay in their order, so that the error names the later one.
  private static func sort(_ rows: inout [Row], _ text: CSVText, _ keyPlace: Int) throws(TableImportError) {
    var failure: TableImportError?
    var (one, other): ([CSVText.Field], [CSVText.Field]) = ([], [])
    var (escaped, escapedToo): ([UInt8], [UInt8]) = ([], [])
    rows.sort { first, second in
      do throws(TableImportError) {
        var record = CSVText(text.bytes, offset: first.offset)
        _ = try record.next(&one)
        record = CSVText(text.bytes, offset: second.offset)
        _ = try record.next(&other)
        let order = try record.withText(one[keyPlace], &escaped) { (key) throws(TableImportError) in
          try record.withText(other[keyPlace], &escapedToo) { key.order($0) }
        }
        return order != 0 ? order < 0 : first.line < second.line
      } catch {
        failure = error
        return false
      }
    }
    if let failure { throw failure }
  }

  /// Writes what `body` adds, or removes what it has added.
  static func writing(
    _ path: String, _ columns: [TableColumn], isKeyed: Bool, _ compresses: Bool,
    _ body: (TableWriter) throws(TableImportError) -> Void
  ) throws(TableImportError) -> TableWriter.Summary {
    let writer: TableWriter
    do { writer = try TableWriter(path, columns: columns, isKeyed: isKeyed, compresses: compresses) } catch {
      throw TableImportError(error)
    }
    do throws(TableImportError) {
      try body(writer)
      do { return try writer.finish() } catch { throw TableImportError(error) }
    } catch {
      writer.giveUp()
      throw error
    }
  }

  /// What all fields of a column are.
  private enum Kind {
    case integer, number, text

    var elementType: ElementType {
      switch self {
      case .integer: .int64
      case .number: .float32
      case .text: .bytes
      }
    }

    func widened(by field: UnsafeRawBufferPointer) -> Kind {
      let text = String(decoding: field, as: UTF8.self)
      if self == .integer, Int64(text) != nil { return .integer }
      return self != .text && Kind.float(text) != nil ? .number : .text
    }

    /// A finite decimal number.
    private static func float(_ text: String) -> Float? {
      let allowed = text.utf8.allSatisfy {
        $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") || "+-.eE".utf8.contains($0)
      }
      guard allowed, let value = Float(text), value.isFinite else { return nil }
      return value
    }

    func add(_ field: UnsafeRawBufferPointer, to column: Int, _ writer: TableWriter) throws(ModelFileError) {
      let text = String(decoding: field, as: UTF8.self)
      switch self {
      case .integer: withUnsafeBytes(of: (Int64(text) ?? 0).littleEndian) { writer.add($0, to: column) }
      case .number:
        withUnsafeBytes(of: (Kind.float(text) ?? 0).bitPattern.littleEndian) { writer.add($0, to: column) }
      case .text: try writer.add(text: field, to: column)
      }
    }
  }
}
