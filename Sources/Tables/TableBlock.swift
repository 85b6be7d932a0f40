import ModelFile
import Tensors

/// A decoded block: its rows' keys, if any, then each column's elements. Valid until the table loads another one.
///
/// Keys and texts are UInt32 ends, one for each, and behind them the bytes; other elements lie row by row.
struct TableBlock {
  let rowCount: Int
  private let bytes: UnsafeRawBufferPointer
  private let index: TableIndex

  init(_ bytes: UnsafeRawBufferPointer, _ index: TableIndex, rowCount: Int) {
    self.bytes = bytes
    self.index = index
    self.rowCount = rowCount
  }

  /// Asked once, after decoding: afterwards every access stays in the block.
  func validate(_ number: Int) throws(ModelFileError) {
    var offset = 0
    if index.isKeyed { offset = try textsEnd(offset, rowCount, number) }
    for column in index.columns {
      if let byteCount = column.rowByteCount {
        let (size, overflow) = byteCount.multipliedReportingOverflow(by: rowCount)
        guard !overflow, size <= bytes.count - offset else { throw .invalid("block \(number) is too short") }
        offset += size
      } else {
        offset = try textsEnd(offset, rowCount * column.width, number)
      }
    }
    guard offset == bytes.count else { throw .invalid("block \(number) is too long") }
  }

  private func textsEnd(_ offset: Int, _ count: Int, _ number: Int) throws(ModelFileError) -> Int {
    guard count <= (bytes.count - offset) / 4 else { throw .invalid("block \(number) is too short") }
    var last = 0
    for place in 0..<count {
      let end = end(offset, place)
      guard end >= last, end - last <= TableLimits.textByteCountMax else {
        throw .invalid("block \(number) has a text that ends before it begins, or too late")
      }
      last = end
    }
    guard last <= bytes.count - offset - 4 * count else { throw .invalid("block \(number) is too short") }
    return offset + 4 * count + last
  }

  private func end(_ offset: Int, _ place: Int) -> Int {
    Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 4 * place, as: UInt32.self)))
  }

  private func text(_ offset: Int, _ place: Int, of count: Int) -> UnsafeRawBufferPointer {
    let start = offset + 4 * count
    let range = start + (place == 0 ? 0 : end(offset, place - 1))..<start + end(offset, place)
    return UnsafeRawBufferPointer(rebasing: bytes[range])
  }

  func key(_ row: Int) -> UnsafeRawBufferPointer { text(0, row, of: rowCount) }

  /// The row with this key.
  func row(of key: UnsafeRawBufferPointer) -> Int? {
    var (low, high) = (0, rowCount)
    while low < high {
      let middle = (low + high) / 2
      let order = self.key(middle).order(key)
      if order == 0 { return middle }
      if order < 0 { low = middle + 1 } else { high = middle }
    }
    return nil
  }

  /// Where a column starts.
  private func start(of column: Int) -> Int {
    var offset = index.isKeyed ? textsByteCount(0, rowCount) : 0
    for other in index.columns[..<column] {
      offset += other.rowByteCount.map { $0 * rowCount } ?? textsByteCount(offset, rowCount * other.width)
    }
    return offset
  }

  private func textsByteCount(_ offset: Int, _ count: Int) -> Int {
    4 * count + (count == 0 ? 0 : end(offset, count - 1))
  }

  /// All rows' elements of a column that has no texts.
  func elements(of column: Int) -> UnsafeRawBufferPointer {
    let start = start(of: column)
    return UnsafeRawBufferPointer(rebasing: bytes[start..<start + (index.columns[column].rowByteCount ?? 0) * rowCount])
  }

  /// One text of a row, of as many as the column is wide.
  func text(_ row: Int, _ column: Int, _ place: Int = 0) -> UnsafeRawBufferPointer {
    let width = index.columns[column].width
    return text(start(of: column), row * width + place, of: rowCount * width)
  }
}
