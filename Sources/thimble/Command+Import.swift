import Importing
import Memory
import ModelFile
import Protocols
import System

extension Command {
  static let importModel = Command(
    name: "import", positionals: "MODEL.tflite | TABLE.csv | MATRIX.npy",
    summary: "convert a TensorFlow Lite model to a .thimble model, a .csv or .npy file to a table",
    details: """
      Quantized networks: uint8, or int8 with scales per channel. Weights are packed for the kernels, cut into tiles and
      compressed. The file appears whole or not at all.
      A .csv file becomes a table: its first line names the columns, rows are found by key. A .npy file (float32 or int8) becomes
      one of vectors, found by number or by key, and by nearness.
      """,
    options: [
      Option("output", "FILE", "where to write (also -o; default: the model's name with .thimble)"),
      Option("batch", "N", "what a dynamic batch becomes (default 1)"),
      Option("compression", "auto|always|none", "which weights to compress (default auto: where it saves an eighth)"),
      Option("key", "COLUMN", "of a .csv file: the column by which rows are found (default: the first)"),
      Option(
        "keys", "FILE", "of a .npy file: a text with a key on each line, for each row (default: rows go by number)"),
      Option("int8", nil, "of a .npy file: store a byte for each element, and a scale for each row"),
    ] + Engine.budgetOptions + [Option("json", nil, "say the result as JSON")],
    run: runImport)

  private static func runImport(_ arguments: Arguments) throws(CommandError) {
    let path = try arguments.onlyPositional("model")
    let output = arguments.text("output") ?? ModelOpening.baseName(path) + ".thimble"
    if isTableSource(path) { return try runImportTable(path, to: output, arguments) }
    for option in ["key", "keys", "int8"] where arguments.has(option) {
      throw .usage("--\(option) is for tables: \(path) is neither .csv nor .npy")
    }
    let compression = try compression(arguments)
    let start = Clock.nowNanoseconds
    let source = try ModelOpening.map(path)
    guard ModelOpening.isTFLite(source) else {
      throw .failure("\(path) is not a TensorFlow Lite model: its bytes 4 to 7 are not TFL3")
    }
    let budget = try Engine.budget(arguments)
    let program = try Engine.reserveProgram(budget)
    let imported = try ModelOpening.importModel(
      source, path: path, batch: try arguments.integer("batch", in: 1...4096),
      extraByteCount: ZstdCompressor.byteCount, budget: budget)
    let model = imported.model
    let showsProgress = Console.errorIsTerminal && !arguments.has("json")
    let summary: ModelFileWriter.Summary
    do throws(ModelFileError) {
      summary = try ModelFileWriter.write(
        model.graph, payloads: model.payloads, to: output, compression: compression
      ) { done, total in
        if showsProgress { Console.write("\rcompressing: \(done) of \(total)", to: 2) }
      }
    } catch {
      throw .failure("\(output): \(error.message)")
    }
    if showsProgress { Console.write("\r\u{1b}[K", to: 2) }
    let milliseconds = Double(Clock.nowNanoseconds - start) / 1e6
    if arguments.has("json") {
      var json = JSONWriter()
      json.beginObject()
      json.member("model", output)
      json.member("operators", model.graph.operators.count)
      json.member("source_bytes", source.byteCount)
      json.member("bytes", summary.fileByteCount)
      json.member("weight_bytes", summary.blobByteCount)
      json.member("stored_weight_bytes", summary.storedBlobByteCount)
      json.member("tiles", summary.tileCount)
      json.member("raw_tiles", summary.rawTileCount)
      json.endObject()
      Console.line(String(decoding: json.bytes, as: UTF8.self))
    } else {
      let share = Console.fixed(100 * Double(summary.fileByteCount) / Double(source.byteCount), 1)
      Console.line(
        "\(output): \(model.graph.operators.count) operators, \(ByteCount.text(source.byteCount)) → "
          + "\(ByteCount.text(summary.fileByteCount)) (\(share) %), \(summary.tileCount) tiles, "
          + "\(summary.rawTileCount) of them raw; \(Console.fixed(milliseconds, 0)) ms")
    }
    _ = consume imported
    _ = program
  }

  private static func compression(_ arguments: Arguments) throws(CommandError) -> ModelFileWriter.Compression {
    switch arguments.text("compression") {
    case nil, "auto": return .whereItSaves
    case "always": return .always
    case "none": return .none
    case let other?: throw .usage("--compression takes auto, always or none, not \(other)")
    }
  }
}
