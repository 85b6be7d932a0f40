import ModelFile
import Tensors

/// What a table's metadata says: its columns, where its blocks are, and the first key of each.
struct TableIndex {
  let columns: [TableColumn]
  let isKeyed: Bool
  let rowCount: Int
  let blocks: [TableFormat.Block]
  let decodedByteCountMax: Int
  let storedByteCountMax: Int
  /// Where the first key of each block ends in `keys`.
  private let keyEnds: [UInt32]
  private let keys: [UInt8]

  /// Bytes that it takes at most, made from metadata of so many bytes.
  static func byteCount(metadata: Int) -> Int {
    metadata + metadata / TableFormat.Block.encodedByteCount * MemoryLayout<TableFormat.Block>.stride + 4096
  }

  init(decoding metadata: UnsafeRawBufferPointer, _ header: TableFormat.Header) throws(ModelFileError) {
    var reader = ByteReader(metadata)
    isKeyed = try reader.readBool("whether there are keys")
    rowCount = header.rowCount
    let columnCount = try reader.readShortCount("the number of columns", limit: TableLimits.columnCountMax)
    var columns: [TableColumn] = []
    for _ in 0..<columnCount {
      let name = try reader.readText("a column's name")
      let type = try reader.readCase(ElementType.self, "a column's type")
      let width = try reader.readShortCount("a column's width", limit: TableLimits.widthMax)
      guard TableColumn.elementTypes.contains(type), width > 0, !name.isEmpty,
        !columns.contains(where: { $0.name == name }), !Table.reservedNames.contains(name)
      else { throw .invalid("column \(name) has a name, a type or a width that no column has") }
      columns.append(TableColumn(name: name, elementType: type, width: width))
    }
    guard !columns.isEmpty else { throw .invalid("it has no columns") }
    self.columns = columns
    let blockCount = try reader.readShortCount("the number of blocks", limit: TableLimits.blockCountMax)
    guard reader.remaining / TableFormat.Block.encodedByteCount >= blockCount else {
      throw .invalid("the metadata ends inside the blocks")
    }
    var blocks: [TableFormat.Block] = []
    blocks.reserveCapacity(blockCount)
    var (rows, decodedMax, storedMax) = (0, 0, 0)
    for _ in 0..<blockCount {
      let offset = try reader.readCount("a block's offset", limit: header.metadataOffset)
      let stored = try reader.readShortCount("a block's stored size", limit: header.metadataOffset - offset)
      let decoded = try reader.readShortCount("a block's size", limit: TableLimits.blockByteCountMax)
      let count = try reader.readShortCount("a block's rows", limit: TableLimits.blockRowCountMax)
      let checksum = try reader.read(UInt64.self, "a block's checksum")
      guard count > 0, decoded > 0, stored > 0, stored <= decoded else { throw .invalid("a block is empty") }
      blocks.append(
        .init(
          fileOffset: offset, storedByteCount: stored, decodedByteCount: decoded, firstRow: rows, rowCount: count,
          checksum: checksum))
      rows += count
      decodedMax = max(decodedMax, decoded)
      storedMax = max(storedMax, stored)
    }
    guard rows == header.rowCount else { throw .invalid("its blocks have \(rows) rows, not \(header.rowCount)") }
    self.blocks = blocks
    (decodedByteCountMax, storedByteCountMax) = (decodedMax, storedMax)
    guard isKeyed else {
      (keyEnds, keys) = ([], [])
      return
    }
    let ends = try reader.readArray(UInt32.self, "the ends of keys", limit: blockCount)
    let keys = try reader.readArray(UInt8.self, "keys", limit: Int(UInt32.max))
    guard ends.count == blockCount, ends.last.map({ Int($0) }) ?? 0 == keys.count,
      zip(ends, ends.dropFirst()).allSatisfy({ $0 <= $1 })
    else { throw .invalid("its keys do not fit its blocks") }
    (keyEnds, self.keys) = (ends, keys)
  }

  /// The block that a key can be in: the last whose first key is not above it; nil where it is below all.
  func block(of key: UnsafeRawBufferPointer) -> Int? {
    keys.withUnsafeBytes { keys in
      var (low, high) = (0, blocks.count)
      while low < high {
        let middle = (low + high) / 2
        let start = middle == 0 ? 0 : Int(keyEnds[middle - 1])
        let first = UnsafeRawBufferPointer(rebasing: keys[start..<Int(keyEnds[middle])])
        if first.isOrdered(notAfter: key) { low = middle + 1 } else { high = middle }
      }
      return low == 0 ? nil : low - 1
    }
  }

  /// The block of a row that there is.
  func block(ofRow row: Int) -> Int {
    var (low, high) = (0, blocks.count)
    while low < high {
      let middle = (low + high) / 2
      if blocks[middle].firstRow <= row { low = middle + 1 } else { high = middle }
    }
    return low - 1
  }
}

extension UnsafeRawBufferPointer {
  /// −1, 0 or 1: as these bytes come before, with or after others; a beginning comes before the whole.
  func order(_ other: UnsafeRawBufferPointer) -> Int {
    for index in 0..<Swift.min(count, other.count) where self[index] != other[index] {
      return self[index] < other[index] ? -1 : 1
    }
    return count == other.count ? 0 : count < other.count ? -1 : 1
  }

  func isOrdered(notAfter other: UnsafeRawBufferPointer) -> Bool { order(other) <= 0 }
}
