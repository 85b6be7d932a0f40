import ModelFile
import Tensors

extension TableImport {
  /// A matrix that NumPy has saved (.npy), FP32 or INT8: the column `vector`. With `keys`, a text with one on each line, rows are
  /// found by key and lie in the keys' order, else by number. `quantizes` makes INT8 of FP32, with a column `scale` by which each
  /// row is multiplied: its largest magnitude becomes 127.
  public static func write(
    npy bytes: UnsafeRawBufferPointer, keys: UnsafeRawBufferPointer?, quantizes: Bool, to path: String,
    compresses: Bool = true
  ) throws(TableImportError) -> TableWriter.Summary {
    let matrix = try NumPyMatrix(bytes)
    guard !quantizes || matrix.elementType == .float32 else {
      throw TableImportError("its elements are bytes already: leave --int8 out")
    }
    let order = try keys.map { (keys) throws(TableImportError) in try lines(keys, count: matrix.rowCount) }
    var columns = [
      TableColumn(name: "vector", elementType: quantizes ? .int8 : matrix.elementType, width: matrix.columnCount)
    ]
    if quantizes { columns.append(TableColumn(name: "scale", elementType: .float32)) }
    return try writing(path, columns, isKeyed: order != nil, compresses) { (writer) throws(TableImportError) in
      for place in 0..<matrix.rowCount {
        let row = order?[place].row ?? place
        do throws(ModelFileError) {
          if let order, let keys {
            try writer.beginRow(key: UnsafeRawBufferPointer(rebasing: keys[order[place].key]))
          } else {
            try writer.beginRow()
          }
        } catch {
          throw TableImportError("row \(row): \(error.message)")
        }
        let elements = matrix.row(row)
        guard matrix.elementType == .int8 || isFinite(elements) else {
          throw TableImportError("row \(row) has an element that is no finite number")
        }
        if quantizes { quantize(elements, matrix.columnCount, writer) } else { writer.add(elements, to: 0) }
      }
    }
  }

  private struct Line {
    var key: Range<Int>
    var row: Int
  }

  /// The lines of a text in their bytes' order.
  private static func lines(_ text: UnsafeRawBufferPointer, count: Int) throws(TableImportError) -> [Line] {
    var lines: [Line] = []
    var start = 0
    for offset in 0...text.count where offset == text.count || text[offset] == 0x0A {
      if offset == text.count && start == offset { break }
      let end = offset > start && text[offset - 1] == 0x0D ? offset - 1 : offset
      lines.append(Line(key: start..<end, row: lines.count))
      start = offset + 1
    }
    guard lines.count == count else { throw TableImportError("\(lines.count) keys for \(count) rows") }
    lines.sort {
      let order = UnsafeRawBufferPointer(rebasing: text[$0.key]).order(UnsafeRawBufferPointer(rebasing: text[$1.key]))
      return order != 0 ? order < 0 : $0.row < $1.row
    }
    return lines
  }

  private static func float(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Float {
    Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)))
  }

  private static func isFinite(_ bytes: UnsafeRawBufferPointer) -> Bool {
    for index in 0..<bytes.count / 4 where !float(bytes, index).isFinite { return false }
    return true
  }

  private static func quantize(_ row: UnsafeRawBufferPointer, _ count: Int, _ writer: TableWriter) {
    var largest: Float = 0
    for index in 0..<count { largest = max(largest, float(row, index).magnitude) }
    let scale = largest > 0 ? largest / 127 : 1
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    for index in 0..<count {
      let value = (float(row, index) / scale).rounded(.toNearestOrEven)
      bytes.append(UInt8(bitPattern: Int8(max(-127, min(127, value)))))
    }
    bytes.withUnsafeBytes { writer.add($0, to: 0) }
    withUnsafeBytes(of: scale.bitPattern.littleEndian) { writer.add($0, to: 1) }
  }
}

/// A matrix in NumPy's format (numpy.lib.format, versions 1 to 3).
struct NumPyMatrix {
  let elementType: ElementType
  let rowCount: Int
  let columnCount: Int
  private let elements: UnsafeRawBufferPointer

  static let magic = [0x93] + Array("NUMPY".utf8)

  func row(_ row: Int) -> UnsafeRawBufferPointer {
    let byteCount = columnCount * elementType.byteCount
    return UnsafeRawBufferPointer(rebasing: elements[row * byteCount..<(row + 1) * byteCount])
  }

  init(_ bytes: UnsafeRawBufferPointer) throws(TableImportError) {
    guard bytes.count >= 12, bytes.prefix(6).elementsEqual(NumPyMatrix.magic) else {
      throw TableImportError("not an array that NumPy has saved: it does not start with \\x93NUMPY")
    }
    let isShort = bytes[6] == 1
    let length =
      isShort
      ? Int(bytes[8]) + Int(bytes[9]) << 8
      : Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
    let start = isShort ? 10 : 12
    guard bytes[6] >= 1, bytes[6] <= 3, length <= bytes.count - start, length <= 1 << 16 else {
      throw TableImportError("its header is of a kind or a length that no array's is")
    }
    let header = Array(bytes[start..<start + length])
    switch NumPyMatrix.value(of: "descr", in: header).map({ String(decoding: $0, as: UTF8.self) }) {
    case "'<f4'": elementType = .float32
    case "'|i1'", "'<i1'": elementType = .int8
    case let other:
      throw TableImportError(
        "its elements are \(other ?? "unknown"); save it as float32 or int8: array.astype('float32')")
    }
    guard NumPyMatrix.value(of: "fortran_order", in: header)?.elementsEqual("False".utf8) == true else {
      throw TableImportError("its elements lie column by column: save numpy.ascontiguousarray(array)")
    }
    let shape = (NumPyMatrix.value(of: "shape", in: header) ?? []).split(separator: UInt8(ascii: ","))
      .map { Int(String(decoding: $0.filter { $0 != UInt8(ascii: " ") }, as: UTF8.self)) }
    guard shape.count == 2, let rows = shape[0], let columns = shape[1], rows > 0, columns > 0,
      rows <= TableLimits.rowCountMax, columns <= TableLimits.widthMax
    else {
      throw TableImportError("its shape is not (rows, columns), of at most \(TableLimits.widthMax) columns")
    }
    (rowCount, columnCount) = (rows, columns)
    let size = rows.multipliedReportingOverflow(by: columns * elementType.byteCount)
    guard !size.overflow, bytes.count - start - length == size.partialValue else {
      throw TableImportError("it has \(bytes.count - start - length) bytes of elements where its shape says otherwise")
    }
    elements = UnsafeRawBufferPointer(rebasing: bytes[(start + length)...])
  }

  /// What stands behind a name in the header, a dictionary as Python writes it; of a tuple what is between its brackets.
  private static func value(of name: String, in header: [UInt8]) -> [UInt8]? {
    let label = Array("'\(name)':".utf8)
    guard header.count >= label.count else { return nil }
    var place = (0...header.count - label.count).first { header[$0..<$0 + label.count].elementsEqual(label) }
    guard var start = place else { return nil }
    start += label.count
    while start < header.count, header[start] == UInt8(ascii: " ") { start += 1 }
    guard start < header.count else { return nil }
    let isTuple = header[start] == UInt8(ascii: "(")
    if isTuple { start += 1 }
    let end = isTuple ? UInt8(ascii: ")") : UInt8(ascii: ",")
    place = header[start...].firstIndex { $0 == end || $0 == UInt8(ascii: "}") }
    return place.map { Array(header[start..<$0]) }
  }
}
