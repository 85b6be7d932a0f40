import Memory
import ModelFile
import System
import Tensors

/// A table in a file: rows of values by key or by number. Its blocks are read and decoded one at a time; those that were used of
/// late stay, as many as it is given memory for. Used by one thread at a time.
public final class Table {
  /// What a table answers and is asked by itself; no column has these names.
  public static let reservedNames = ["key", "id", "found", "neighbor_ids", "neighbor_keys", "neighbor_scores"]

  public let columns: [TableColumn]
  public let rowCount: Int
  /// Whether rows are found by key, in whose order they are then; else by number, from 0.
  public let isKeyed: Bool
  public let fileByteCount: Int
  /// Bytes of all blocks once decoded.
  public let decodedByteCount: Int
  public var blockCount: Int { index.blocks.count }
  let index: TableIndex
  private let file: File
  private let decompressor: ZstdDecompressor?
  /// A stored block, and a decoded one that is not kept.
  private let scratch: Arena
  private var scratchBlock: Int?
  private let cache: BlockCache
  private let held: MemoryBudget.Reservation

  /// A row that there is.
  public struct Row: Equatable, Sendable {
    let block: Int
    let row: Int
  }

  /// Whether the file is a table, and not a model.
  public static func isTable(_ file: borrowing File) throws(ModelFileError) -> Bool {
    var start: UInt64 = 0
    do throws(SystemError) {
      guard try file.status().byteCount >= TableFormat.headerByteCount else { return false }
      try withUnsafeMutableBytes(of: &start) { (bytes) throws(SystemError) in try file.read(into: bytes, at: 0) }
    } catch {
      throw .system(error)
    }
    return withUnsafeBytes(of: start) { TableFormat.isTable($0) }
  }

  /// Opens a table; all that it takes is reserved before. Errors: it is none, it is damaged, the budget refuses.
  public init(_ source: borrowing File, budget: MemoryBudget) throws(LoadingError) {
    let header = try inFile { () throws(ModelFileError) in try Table.header(source) }
    let reading = try inMemory { () throws(MemoryError) in
      try Arena(byteCount: max(1, header.metadataByteCount), for: .metadata, budget: budget)
    }
    var held = try inMemory { () throws(MemoryError) in
      try budget.reserve(TableIndex.byteCount(metadata: header.metadataByteCount), for: .metadata)
    }
    let metadata = UnsafeMutableRawBufferPointer(start: reading.base, count: header.metadataByteCount)
    let index = try inFile { () throws(ModelFileError) -> TableIndex in
      do throws(SystemError) { try source.read(into: metadata, at: header.metadataOffset) } catch {
        throw .system(error)
      }
      guard xxh64(UnsafeRawBufferPointer(metadata)) == header.metadataChecksum else {
        throw .damaged(part: "the metadata")
      }
      return try TableIndex(decoding: UnsafeRawBufferPointer(metadata), header)
    }
    _ = consume reading
    self.index = index
    columns = index.columns
    rowCount = index.rowCount
    isKeyed = index.isKeyed
    fileByteCount = header.fileByteCount
    decodedByteCount = index.blocks.reduce(0) { $0 + $1.decodedByteCount }
    let isCompressed = index.blocks.contains { $0.storedByteCount < $0.decodedByteCount }
    let slots = BlockCache.describingByteCount(index.blocks.count)
    let size = held.byteCount + slots + (isCompressed ? ZstdDecompressor.byteCount : 0)
    do throws(MemoryError) { try held.resize(to: size) } catch { throw .memory(error) }
    self.held = held
    decompressor = isCompressed ? ZstdDecompressor() : nil
    let block = max(1, index.decodedByteCountMax)
    scratch = try inMemory { () throws(MemoryError) in
      try Arena(byteCount: block + index.storedByteCountMax, for: .decoder, budget: budget)
    }
    cache = try inMemory { () throws(MemoryError) in
      try BlockCache(blockCount: index.blocks.count, slotByteCount: block, budget: budget)
    }
    do { file = try source.duplicate() } catch { throw .file(.system(error)) }
  }

  private static func header(_ file: borrowing File) throws(ModelFileError) -> TableFormat.Header {
    var start = [UInt8](repeating: 0, count: TableFormat.headerByteCount)
    let byteCount: Int
    do throws(SystemError) {
      byteCount = try file.status().byteCount
      guard byteCount >= start.count else { throw SystemError("read", file.path, code: 22 /* EINVAL */) }
      try start.withUnsafeMutableBufferPointer { (bytes) throws(SystemError) in
        try file.read(into: UnsafeMutableRawBufferPointer(bytes), at: 0)
      }
    } catch {
      throw .system(error)
    }
    return try start.withUnsafeBufferPointer { (bytes) throws(ModelFileError) in
      try TableFormat.Header(decoding: UnsafeRawBufferPointer(bytes), fileByteCount: byteCount)
    }
  }

  // MARK: Memory

  /// Bytes of the budget that it holds beside what it keeps of decoded blocks.
  public var floorByteCount: Int { held.byteCount + scratch.byteCount }
  public var cacheByteCount: Int { cache.byteCount }
  public var cacheByteCountMax: Int { cache.byteCountMax }

  /// Keeps at most so many bytes of decoded blocks. Returns how many.
  public func resizeCache(to byteCount: Int) -> Int {
    cache.resize(to: byteCount)
    return cache.byteCount
  }

  // MARK: Rows

  /// The row with a key. Errors: its block is damaged or cannot be read.
  public func row(ofKey key: UnsafeRawBufferPointer) throws(ModelFileError) -> Row? {
    guard isKeyed, let number = index.block(of: key), let row = try block(number).row(of: key) else { return nil }
    return Row(block: number, row: row)
  }

  /// The row with a number.
  public func row(_ number: Int64) -> Row? {
    guard number >= 0, number < Int64(rowCount) else { return nil }
    let block = index.block(ofRow: Int(number))
    return Row(block: block, row: Int(number) - index.blocks[block].firstRow)
  }

  /// The bytes of a row's elements, of a column without texts. Valid until another row is asked for.
  public func elements(of row: Row, _ column: Int) throws(ModelFileError) -> UnsafeRawBufferPointer {
    let byteCount = columns[column].rowByteCount ?? 0
    let elements = try block(row.block).elements(of: column)
    return UnsafeRawBufferPointer(rebasing: elements[row.row * byteCount..<(row.row + 1) * byteCount])
  }

  /// One of a row's texts. Valid until another row is asked for.
  public func text(of row: Row, _ column: Int, _ place: Int = 0) throws(ModelFileError) -> UnsafeRawBufferPointer {
    try block(row.block).text(row.row, column, place)
  }

  public func key(of row: Row) throws(ModelFileError) -> UnsafeRawBufferPointer { try block(row.block).key(row.row) }

  // MARK: Blocks

  /// A block, decoded. `keeps`: in place of one that was not used of late, where there is memory for some.
  func block(_ number: Int, keeps: Bool = true) throws(ModelFileError) -> TableBlock {
    let block = index.blocks[number]
    if let kept = cache.bytes(of: number, count: block.decodedByteCount) {
      return TableBlock(kept, index, rowCount: block.rowCount)
    }
    let own = UnsafeMutableRawBufferPointer(start: scratch.base, count: block.decodedByteCount)
    if scratchBlock == number {
      return TableBlock(UnsafeRawBufferPointer(own), index, rowCount: block.rowCount)
    }
    let place = keeps ? cache.place(for: number, count: block.decodedByteCount) : nil
    if place == nil { scratchBlock = nil }
    let bytes = place ?? own
    try decode(block, number, into: bytes)
    let decoded = TableBlock(UnsafeRawBufferPointer(bytes), index, rowCount: block.rowCount)
    try decoded.validate(number)
    if place == nil { scratchBlock = number } else { cache.keep(number) }
    return decoded
  }

  private func decode(
    _ block: TableFormat.Block, _ number: Int, into bytes: UnsafeMutableRawBufferPointer
  ) throws(ModelFileError) {
    let isRaw = block.storedByteCount == block.decodedByteCount
    let start = isRaw ? bytes.baseAddress! : scratch.base + index.decodedByteCountMax
    let stored = UnsafeMutableRawBufferPointer(start: start, count: block.storedByteCount)
    do { try file.read(into: stored, at: block.fileOffset) } catch { throw .system(error) }
    guard xxh64(UnsafeRawBufferPointer(stored)) == block.checksum else { throw .damaged(part: "block \(number)") }
    guard isRaw || decompressor?.decompress(UnsafeRawBufferPointer(stored), into: bytes) == true else {
      throw .undecodable(part: "block \(number)")
    }
  }
}

private func inFile<Result>(_ body: () throws(ModelFileError) -> Result) throws(LoadingError) -> Result {
  do { return try body() } catch { throw .file(error) }
}

private func inMemory<Result: ~Copyable>(_ body: () throws(MemoryError) -> Result) throws(LoadingError) -> Result {
  do { return try body() } catch { throw .memory(error) }
}
