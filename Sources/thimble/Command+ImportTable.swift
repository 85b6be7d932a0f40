import Memory
import ModelFile
import Protocols
import System
import Tables
import Tensors

extension Command {
  /// What `thimble import` takes besides networks, by the file's name.
  static func isTableSource(_ path: String) -> Bool { path.hasSuffix(".csv") || path.hasSuffix(".npy") }

  static func runImportTable(_ path: String, to output: String, _ arguments: Arguments) throws(CommandError) {
    let start = Clock.nowNanoseconds
    let isMatrix = path.hasSuffix(".npy")
    if isMatrix, arguments.has("key") { throw .usage("--key is for .csv files; a matrix takes --keys FILE") }
    if !isMatrix, arguments.has("keys") || arguments.has("int8") {
      throw .usage("--keys and --int8 are for .npy files; a .csv file takes --key COLUMN")
    }
    let source = try ModelOpening.map(path)
    let keys = try arguments.text("keys").map { (path) throws(CommandError) in try KeyFile(path) }
    let budget = try Engine.budget(arguments)
    let program = try Engine.reserveProgram(budget)
    // What sorting takes, and the writer; a row has a few bytes at least.
    let rows = MemoryBudget.Purpose.buffers
    let sorting: MemoryBudget.Reservation
    do {
      sorting = try budget.reserve(
        lineCount(isMatrix ? keys?.bytes ?? UnsafeRawBufferPointer(start: nil, count: 0) : source.bytes)
          * 2 * TableImport.rowByteCount + TableImport.writerByteCount, for: rows)
    } catch {
      throw .failure("\(path): \(error.message)")
    }
    let compresses: Bool
    switch arguments.text("compression") {
    case nil, "auto", "always": compresses = true
    case "none": compresses = false
    case let other?: throw .usage("--compression takes auto, always or none, not \(other)")
    }
    let summary: TableWriter.Summary
    do throws(TableImportError) {
      summary =
        isMatrix
        ? try TableImport.write(
          npy: source.bytes, keys: keys?.bytes, quantizes: arguments.has("int8"), to: output, compresses: compresses)
        : try TableImport.write(csv: source.bytes, key: arguments.text("key"), to: output, compresses: compresses)
    } catch {
      throw .failure("\(path): \(error.message)")
    }
    _ = consume sorting
    _ = consume program
    let milliseconds = Double(Clock.nowNanoseconds - start) / 1e6
    if arguments.has("json") {
      var json = JSONWriter()
      json.beginObject()
      json.member("table", output)
      json.member("rows", summary.rowCount)
      json.member("source_bytes", source.byteCount)
      json.member("bytes", summary.fileByteCount)
      json.member("decoded_bytes", summary.decodedByteCount)
      json.member("blocks", summary.blockCount)
      json.endObject()
      Console.line(String(decoding: json.bytes, as: UTF8.self))
    } else {
      Console.line(
        "\(output): \(summary.rowCount) rows in \(summary.blockCount) blocks, \(ByteCount.text(source.byteCount)) → "
          + "\(ByteCount.text(summary.fileByteCount)); \(Console.fixed(milliseconds, 0)) ms")
    }
  }

  private static func lineCount(_ bytes: UnsafeRawBufferPointer) -> Int {
    bytes.reduce(1) { $0 + ($1 == 0x0A ? 1 : 0) }
  }

  /// A text with a key on each line.
  private final class KeyFile {
    private let file: MappedFile

    init(_ path: String) throws(CommandError) { file = try ModelOpening.map(path) }

    var bytes: UnsafeRawBufferPointer { file.bytes }
  }

  /// What a table is, in place of a model's inputs, outputs and operators.
  static func inspectTable(_ path: String, _ budget: MemoryBudget, isJSON: Bool) throws(CommandError) {
    let table: Table
    do throws(LoadingError) {
      let file: File
      do { file = try File(reading: path) } catch { throw LoadingError.file(.system(error)) }
      table = try Table(file, budget: budget)
    } catch {
      throw .failure("\(path): \(error.message)")
    }
    if isJSON {
      var json = JSONWriter()
      json.beginObject()
      json.member("table", path)
      json.member("rows", table.rowCount)
      json.member("found_by", table.isKeyed ? "key" : "id")
      json.key("columns")
      json.beginArray()
      for column in table.columns {
        json.beginObject()
        json.member("name", column.name)
        json.member("datatype", column.elementType.name)
        json.member("width", column.width)
        json.endObject()
      }
      json.endArray()
      json.member("bytes", table.fileByteCount)
      json.member("decoded_bytes", table.decodedByteCount)
      json.member("blocks", table.blockCount)
      json.member("least_memory_bytes", table.floorByteCount)
      json.endObject()
      return Console.line(String(decoding: json.bytes, as: UTF8.self))
    }
    Console.line(
      "\(path): a table of \(table.rowCount) rows by \(table.isKeyed ? "key" : "number"), "
        + "\(ByteCount.text(table.fileByteCount)), \(ByteCount.text(table.decodedByteCount)) decoded")
    for column in table.columns {
      Console.line(
        "  column  \(column.name)  \(column.elementType.name)\(column.width == 1 ? "" : " × \(column.width)")")
    }
    Console.line(
      "  memory  \(ByteCount.text(table.floorByteCount)) and as many of its \(table.blockCount) blocks as there is room for"
    )
  }

  /// Whether a file is a table; false where it cannot be read, which whoever opens it will say.
  static func isTable(_ path: String) -> Bool {
    guard let file = try? File(reading: path) else { return false }
    return (try? Table.isTable(file)) ?? false
  }
}
