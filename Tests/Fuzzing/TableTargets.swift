import Glibc
import Memory
import ModelFile
import System
import Tables

/// Tables, and what they are made of.
enum TableTargets {
  private static let budget = MemoryBudget(limitByteCount: 4 << 20)
  private static let path = "/dev/shm/thimble-fuzz-\(getpid())"

  /// A table's file, whose checksums are made right; everything in it is looked up.
  static func table(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 64 else { return }
    var file = [UInt8](bytes)
    repair(&file)
    guard let opened = try? File(inMemory: "fuzz") else { return }
    let written: Void? = try? file.withUnsafeBufferPointer { try opened.write(UnsafeRawBufferPointer($0), at: 0) }
    guard written != nil else { return }
    do throws(LoadingError) { read(try Table(opened, budget: budget), seed: bytes[bytes.count - 1]) } catch {
      precondition(!error.message.isEmpty)
    }
    precondition(budget.reservedByteCount == 0, "a reservation is left")
  }

  private static func read(_ table: Table, seed: UInt8) {
    _ = table.resizeCache(to: Int(seed) << 10)
    do throws(ModelFileError) {
      for number in [0, 1, Int64(table.rowCount) - 1, Int64(table.rowCount), -1] {
        guard let row = table.row(number) else { continue }
        for (index, column) in table.columns.enumerated() {
          if column.rowByteCount == nil {
            for place in 0..<column.width { Fuzzer.keep(try table.text(of: row, index, place).reduce(0, ^)) }
          } else {
            Fuzzer.keep(try table.elements(of: row, index).reduce(0, ^))
          }
        }
        guard table.isKeyed else { continue }
        let key = [UInt8](try table.key(of: row))
        _ = try key.withUnsafeBufferPointer { (key) throws(ModelFileError) in
          try table.row(ofKey: UnsafeRawBufferPointer(key))
        }
      }
      guard let column = table.vectorColumn else { return }
      let query = [Float](repeating: 1, count: table.columns[column].width)
      var (rows, scores) = ([Int64](repeating: 0, count: 3), [Float](repeating: 0, count: 3))
      try rows.withUnsafeMutableBufferPointer { (rows) throws(ModelFileError) in
        try scores.withUnsafeMutableBufferPointer { (scores) throws(ModelFileError) in
          try query.withUnsafeBufferPointer { (query) throws(ModelFileError) in
            var lists = [NeighborList(rows: rows, scores: scores)]
            _ = try table.findNeighbors(of: [query], into: &lists) { false }
          }
        }
      }
      precondition(rows.allSatisfy { $0 >= -1 && $0 < Int64(table.rowCount) })
    } catch {
      precondition(!error.message.isEmpty)
    }
  }

  /// Puts the sizes and checksums right, so that what is behind them is reached.
  private static func repair(_ file: inout [UInt8]) {
    func integer(_ offset: Int, _ count: Int) -> Int {
      offset >= 0 && offset + count <= file.count
        ? (0..<count).reduce(0) { $0 | Int(file[offset + $1]) << (8 * $1) } : -1
    }
    func set(_ offset: Int, _ value: UInt64) {
      for index in 0..<8 { file[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
    }
    for (index, byte) in "THMTABLE".utf8.enumerated() { file[index] = byte }
    (file[8], file[9], file[10], file[11]) = (1, 0, 0, 0)
    set(16, UInt64(file.count))
    let (start, count) = (integer(24, 8), integer(32, 8))
    if start >= 64, count > 0, start <= file.count, count <= file.count - start {
      // The blocks' entries stand behind the columns.
      var place = start + 5
      for _ in 0..<max(0, min(64, integer(start + 1, 4))) { place += 2 + max(0, integer(place, 2)) + 5 }
      for block in 0..<max(0, min(64, integer(place, 4))) {
        let entry = place + 4 + 28 * block
        let (offset, stored) = (integer(entry, 8), integer(entry + 8, 4))
        guard entry + 28 <= file.count, offset >= 0, stored >= 0, offset <= file.count, stored <= file.count - offset
        else { break }
        set(entry + 20, file.withUnsafeBytes { xxh64(UnsafeRawBufferPointer(rebasing: $0[offset..<offset + stored])) })
      }
      set(40, file.withUnsafeBytes { xxh64(UnsafeRawBufferPointer(rebasing: $0[start..<start + count])) })
    }
    set(56, file.withUnsafeBytes { xxh64(UnsafeRawBufferPointer(rebasing: $0[..<56])) })
  }

  /// What tables are made of: a .csv or a .npy file, as the first byte says. What comes out of it is read.
  static func source(_ bytes: UnsafeRawBufferPointer) {
    guard let kind = bytes.first else { return }
    let text = UnsafeRawBufferPointer(rebasing: bytes[1...])
    do throws(TableImportError) {
      if kind % 4 == 0 {
        _ = try TableImport.write(csv: text, key: kind > 127 ? "b" : nil, to: path, compresses: false)
      } else {
        let keys = kind % 4 == 2 ? UnsafeRawBufferPointer(rebasing: text.suffix(64)) : nil
        _ = try TableImport.write(npy: text, keys: keys, quantizes: kind > 127, to: path, compresses: false)
      }
      guard let file = try? File(reading: path), let table = try? Table(file, budget: budget) else {
        preconditionFailure("what was written is no table")
      }
      read(table, seed: kind)
    } catch {
      precondition(!error.message.isEmpty)
    }
    try? FileSystem.remove(path)
  }
}
