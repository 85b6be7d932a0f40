import ModelFile
import System
import Tensors

/// Writes a table row by row, keyed ones in the order of their keys; the file appears whole or not at all.
public final class TableWriter {
  public struct Summary: Sendable {
    public var rowCount = 0
    public var blockCount = 0
    public var fileByteCount = 0
    public var decodedByteCount = 0
  }

  private let path: String
  private let file: File
  private let columns: [TableColumn]
  private let isKeyed: Bool
  private let compressor: ZstdCompressor?
  // The block that is being filled.
  private var keys = Texts()
  private var values: [[UInt8]]
  private var texts: [Texts]
  private var rowsInBlock = 0
  // What has been written.
  private var offset = TableFormat.headerByteCount
  private var blocks: [TableFormat.Block] = []
  private var firstKeys = Texts()
  private var lastKey: [UInt8]?
  private var summary = Summary()

  private struct Texts {
    var ends: [UInt32] = []
    var bytes: [UInt8] = []

    mutating func append(_ text: UnsafeRawBufferPointer) {
      bytes.append(contentsOf: text)
      ends.append(UInt32(bytes.count))
    }

    mutating func removeAll() {
      ends.removeAll(keepingCapacity: true)
      bytes.removeAll(keepingCapacity: true)
    }

    var byteCount: Int { 4 * ends.count + bytes.count }

    func write(to block: inout [UInt8]) {
      for end in ends { for shift in [0, 8, 16, 24] { block.append(UInt8(truncatingIfNeeded: end >> UInt32(shift))) } }
      block.append(contentsOf: bytes)
    }
  }

  public init(_ path: String, columns: [TableColumn], isKeyed: Bool, compresses: Bool = true) throws(ModelFileError) {
    self.path = path
    self.columns = columns
    self.isKeyed = isKeyed
    values = columns.map { _ in [] }
    texts = columns.map { _ in Texts() }
    compressor = compresses ? ZstdCompressor() : nil
    do { file = try File.partial(of: path) } catch { throw .system(error) }
  }

  /// Removes what was written, where it is not going to be finished.
  public func giveUp() { try? FileSystem.remove(file.path) }

  /// Begins a row; each column's elements are to follow. Errors: the key does not come after the one before, or is too long.
  public func beginRow(key: UnsafeRawBufferPointer? = nil) throws(ModelFileError) {
    try finishBlock(ifOver: TableLimits.blockByteCountTarget)
    rowsInBlock += 1
    guard let key else { return }
    guard key.count <= TableLimits.textByteCountMax else {
      throw .tooLarge(part: "a key", count: key.count, limit: TableLimits.textByteCountMax)
    }
    if let lastKey, lastKey.withUnsafeBytes({ $0.order(key) }) >= 0 {
      throw .invalid("the key \(String(decoding: key, as: UTF8.self)) is there twice")
    }
    lastKey = Array(key)
    if rowsInBlock == 1 { firstKeys.append(key) }
    keys.append(key)
  }

  /// The elements of a column of the row.
  public func add(_ bytes: UnsafeRawBufferPointer, to column: Int) { values[column].append(contentsOf: bytes) }

  /// One text of a column of the row.
  public func add(text: UnsafeRawBufferPointer, to column: Int) throws(ModelFileError) {
    guard text.count <= TableLimits.textByteCountMax else {
      throw .tooLarge(part: "a text", count: text.count, limit: TableLimits.textByteCountMax)
    }
    texts[column].append(text)
  }

  private var blockByteCount: Int {
    keys.byteCount + values.reduce(0) { $0 + $1.count } + texts.reduce(0) { $0 + $1.byteCount }
  }

  private func finishBlock(ifOver limit: Int) throws(ModelFileError) {
    guard rowsInBlock > 0, blockByteCount >= limit || rowsInBlock == TableLimits.blockRowCountMax else { return }
    guard blocks.count < TableLimits.blockCountMax else {
      throw .tooLarge(part: "the number of blocks", count: blocks.count + 1, limit: TableLimits.blockCountMax)
    }
    var decoded: [UInt8] = []
    decoded.reserveCapacity(blockByteCount)
    if isKeyed { keys.write(to: &decoded) }
    for (index, column) in columns.enumerated() {
      if column.elementType == .bytes { texts[index].write(to: &decoded) } else { decoded += values[index] }
      values[index].removeAll(keepingCapacity: true)
      texts[index].removeAll()
    }
    guard decoded.count <= TableLimits.blockByteCountMax else {
      throw .tooLarge(part: "a row", count: decoded.count, limit: TableLimits.blockByteCountMax)
    }
    // A frame has to save something: an eighth, as a model's tile.
    let frame = decoded.withUnsafeBytes { compressor?.compress($0, limit: $0.count - $0.count / 8) }
    let stored = frame ?? decoded
    try write(stored)
    blocks.append(
      .init(
        fileOffset: offset, storedByteCount: stored.count, decodedByteCount: decoded.count, firstRow: summary.rowCount,
        rowCount: rowsInBlock, checksum: stored.withUnsafeBytes { xxh64($0) }))
    offset += stored.count
    summary.rowCount += rowsInBlock
    summary.decodedByteCount += decoded.count
    summary.blockCount += 1
    rowsInBlock = 0
    keys.removeAll()
  }

  private func write(_ bytes: [UInt8]) throws(ModelFileError) {
    do throws(SystemError) {
      try bytes.withUnsafeBufferPointer { (bytes) throws(SystemError) in
        try file.write(UnsafeRawBufferPointer(bytes), at: offset)
      }
    } catch {
      throw .system(error)
    }
  }

  /// Writes what is left, and puts the file in its place.
  public func finish() throws(ModelFileError) -> Summary {
    try finishBlock(ifOver: 0)
    var writer = ByteWriter()
    writer.write(isKeyed)
    writer.write(UInt32(columns.count))
    for column in columns {
      writer.write(column.name)
      writer.write(column.elementType.rawValue)
      writer.write(UInt32(column.width))
    }
    writer.write(UInt32(blocks.count))
    for block in blocks {
      writer.write(block.fileOffset)
      writer.write(UInt32(block.storedByteCount))
      writer.write(UInt32(block.decodedByteCount))
      writer.write(UInt32(block.rowCount))
      writer.write(block.checksum)
    }
    if isKeyed {
      writer.write(firstKeys.ends)
      writer.write(firstKeys.bytes)
    }
    var header = TableFormat.Header()
    header.metadataOffset = offset
    header.metadataByteCount = writer.bytes.count
    header.metadataChecksum = writer.bytes.withUnsafeBytes { xxh64($0) }
    header.rowCount = summary.rowCount
    header.fileByteCount = offset + writer.bytes.count
    try write(writer.bytes)
    offset = 0
    try write(header.encoded())
    do throws(SystemError) {
      try file.synchronize()
      try FileSystem.rename(file.path, to: path)
    } catch {
      throw .system(error)
    }
    summary.fileByteCount = header.fileByteCount
    return summary
  }
}
