import Foundation
import Memory
import ModelFile
import System
import Tables
import TestSupport
import Testing

@Suite struct TableTests {
  private let folder = NSTemporaryDirectory() + "/tables-\(UUID().uuidString)"

  init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

  private func table(csv text: String, key: String? = nil, budget: Int = 16 << 20) throws -> Table {
    let path = folder + "/\(UUID().uuidString)"
    _ = try Array(text.utf8).withUnsafeBytes { try TableImport.write(csv: $0, key: key, to: path) }
    return try Table(try File(reading: path), budget: MemoryBudget(limitByteCount: budget))
  }

  private func text(_ table: Table, _ key: String, _ column: Int) throws -> String? {
    try Array(key.utf8).withUnsafeBytes { key in
      try table.row(ofKey: key).map { String(decoding: try table.text(of: $0, column), as: UTF8.self) }
    }
  }

  private func refusal(csv text: String, key: String? = nil) -> String? {
    do throws(TableImportError) {
      _ = try Array(text.utf8).withUnsafeBufferPointer { (bytes) throws(TableImportError) in
        try TableImport.write(csv: UnsafeRawBufferPointer(bytes), key: key, to: folder + "/refused")
      }
      return nil
    } catch {
      return error.message
    }
  }

  @Test func columnsHaveTheTypesOfTheirFields() throws {
    let table = try table(csv: "k,whole,real,text\na,1,2.5,x\nb,-9223372036854775808,3,4\nc,0,1e-3,inf\n")
    #expect(table.columns.map { $0.elementType.name } == ["INT64", "FP32", "BYTES"])
    #expect(table.rowCount == 3 && table.isKeyed)
    #expect(try text(table, "c", 2) == "inf" && text(table, "d", 2) == nil)
  }

  @Test func fieldsAreQuotedAsTheyLike() throws {
    let table = try table(csv: "\u{FEFF}id,\"a, \"\"b\"\"\"\r\n\"x\"\"y\",\"1\n2\"\r\nz,\r\n", key: "id")
    #expect(table.columns[0].name == "a, \"b\"")
    #expect(try text(table, "x\"y", 0) == "1\n2" && text(table, "z", 0) == "")
  }

  @Test(arguments: [
    ("", "no first line"), ("a\n1\n", "nothing to find"), ("a,b\n", "no rows"), ("a,b\n1,2\n3\n", "line 3: 1 fields"),
    ("a,b\nx,1\ny,2\nx,3\n", "there twice"), ("a,b\n\"x,1\n", "line 2: a quoted field does not end"),
    ("a,b\n\"x\"y,1\n", "line 2: something follows"), ("a,b,b\n1,2,3\n", "column 3"),
    ("a,found\n1,2\n", "column 2 is called found"),
    ("a,\n1,2\n", "column 2 has no name"),
  ])
  func whatIsWrongIsSaid(_ text: String, _ reason: String) throws {
    let message = refusal(csv: text)
    #expect(message?.contains(reason) == true, "\(message ?? "nothing")")
    #expect(!FileManager.default.fileExists(atPath: folder + "/refused"))
    #expect(!FileManager.default.fileExists(atPath: folder + "/refused.part"))
  }

  @Test func aKeyThatIsNotThereIsNamed() {
    #expect(refusal(csv: "a,b\n1,2\n", key: "c")?.contains("there are a, b") == true)
  }

  @Test func blocksAreKeptAsFarAsThereIsRoom() throws {
    let rows = (0..<9000).map { "key \($0),\($0 * 7),\(String(repeating: "t", count: $0 % 40))" }
    let budget = MemoryBudget(limitByteCount: 1 << 20)
    let path = folder + "/blocks"
    _ = try Array(("k,n,t\n" + rows.joined(separator: "\n")).utf8).withUnsafeBytes {
      try TableImport.write(csv: $0, key: nil, to: path)
    }
    do {
      let table = try Table(try File(reading: path), budget: budget)
      let floor = budget.reservedByteCount
      #expect(floor <= table.floorByteCount + 4096 && table.blockCount > 10)
      var random = XorShift(3)
      for size in [0, 1, 70_000, 1 << 18, 40_000, 0, 1 << 30] {
        #expect(table.resizeCache(to: size) <= min(size, table.cacheByteCountMax))
        #expect(budget.reservedByteCount == floor + table.cacheByteCount)
        for _ in 0..<3000 {
          let row = Int(random.below(9000))
          #expect(try text(table, "key \(row)", 1)?.utf8.count == row % 40)
        }
      }
    }
    #expect(budget.reservedByteCount == 0)
  }

  @Test func budgetsThatAreTooSmallRefuse() throws {
    let path = folder + "/small"
    _ = try Array("a,b\nx,1\n".utf8).withUnsafeBytes { try TableImport.write(csv: $0, key: nil, to: path) }
    for limit in stride(from: 0, to: 40_000, by: 1000) {
      let budget = MemoryBudget(limitByteCount: limit)
      do throws(LoadingError) {
        let file: File
        do { file = try File(reading: path) } catch { throw .file(.system(error)) }
        let table = try Table(file, budget: budget)
        #expect(budget.reservedByteCount >= table.floorByteCount)
      } catch {
        guard case .memory = error else {
          Issue.record("\(error.message)")
          continue
        }
      }
      #expect(budget.reservedByteCount == 0)
    }
  }

  /// Every bit of a table that is flipped is found before what it says is believed.
  @Test func flippedBitsAreFound() throws {
    let path = folder + "/flipped"
    let rows = (0..<40).map { "key \($0),\($0),value \($0 * 3)" }
    _ = try Array(("k,n,t\n" + rows.joined(separator: "\n")).utf8).withUnsafeBytes {
      try TableImport.write(csv: $0, key: nil, to: path)
    }
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    let budget = MemoryBudget(limitByteCount: 1 << 20)
    var found = 0
    for bit in 0..<whole.count * 8 {
      var bytes = whole
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      try bytes.write(to: URL(fileURLWithPath: path + "-"))
      do throws(LoadingError) {
        let file: File
        do { file = try File(reading: path + "-") } catch { throw .file(.system(error)) }
        let table = try Table(file, budget: budget)
        for row in 0..<Int64(table.rowCount) {
          guard let row = table.row(row) else { continue }
          do { _ = try table.text(of: row, 1) } catch { throw .file(error) }
        }
      } catch {
        found += 1
      }
    }
    #expect(found == whole.count * 8)
  }

  @Test func cutOffFilesAreRefused() throws {
    let path = folder + "/cut"
    _ = try Array("a,b\nx,1\ny,2\n".utf8).withUnsafeBytes { try TableImport.write(csv: $0, key: nil, to: path) }
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    for count in 0..<whole.count {
      try whole.prefix(count).write(to: URL(fileURLWithPath: path + "-"))
      #expect(throws: (any Error).self) {
        _ = try Table(try File(reading: path + "-"), budget: MemoryBudget(limitByteCount: 1 << 20))
      }
    }
  }
}

@Suite struct NumPyMatrixTests {
  private func refusal(_ header: String, elements: Int = 0, version: UInt8 = 1, quantizes: Bool = false) -> String? {
    let length = header.utf8.count
    let bytes =
      [0x93] + Array("NUMPY".utf8) + [version, 0, UInt8(length % 256), UInt8(length / 256)] + Array(header.utf8)
    let path = NSTemporaryDirectory() + "/\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    do throws(TableImportError) {
      _ = try (bytes + [UInt8](repeating: 0, count: elements)).withUnsafeBufferPointer {
        (bytes) throws(TableImportError) in
        try TableImport.write(npy: UnsafeRawBufferPointer(bytes), keys: nil, quantizes: quantizes, to: path)
      }
      return nil
    } catch {
      return error.message
    }
  }

  @Test(arguments: [
    ("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }", "float32 or int8"),
    ("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", "ascontiguousarray"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", "(rows, columns)"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, -2), }", "(rows, columns)"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 2), }", "shape"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", "16 bytes of elements"), ("", "unknown"),
    ("{'descr':", "unknown"), ("{'shape': (", "unknown"),
  ])
  func whatIsWrongIsSaid(_ header: String, _ reason: String) {
    let message = refusal(header, elements: 16)
    #expect(message?.contains(reason) == true, "\(message ?? "nothing")")
  }

  @Test func whatIsRightIsTaken() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"
    #expect(refusal(header, elements: 16) == nil && refusal(header, elements: 16, quantizes: true) == nil)
    #expect(refusal(header, elements: 16, version: 9) != nil)
    let bytes = "{'descr': '|i1', 'fortran_order': False, 'shape': (4, 4), }"
    #expect(refusal(bytes, elements: 16) == nil)
    #expect(refusal(bytes, elements: 16, quantizes: true)?.contains("--int8") == true)
  }
}
