import Importing
import Memory
import ModelFile
import Runtime
import System

extension Engine {
  /// Which of a graph's plans to follow, for measuring them; `inspect` lists them.
  static let planOption = Option(
    "plan", "N", "follow the plan of this number in `inspect` (default: the fastest that fits)")

  /// Loads a `.thimble` model, or imports a `.tflite` one in memory.
  func load(_ path: String, plan number: Int? = nil) throws(CommandError) -> Session {
    try load(try ModelOpening.open(path, budget: budget), path, plan: number)
  }

  /// Loads a model from a file that is open. It takes what the budget has: what else will be needed is reserved before. Of the
  /// graph's plans it follows the one that `number` says, else the fastest that fits.
  func load(_ file: consuming ModelFile, _ path: String, plan number: Int? = nil) throws(CommandError) -> Session {
    var plans: [Plan]?
    if let number {
      let candidates = Plan.candidates(file.graph, threadCount: pool.threadCount)
      guard candidates.indices.contains(number) else {
        throw .usage("--plan \(number): with \(pool.threadCount) threads there are \(candidates.count), from 0")
      }
      plans = [candidates[number]]
    }
    do {
      let session = try Session(file, kernels: kernels, pool: pool, budget: budget, rates: rates, plans: plans)
      if session.isFasterAlone { session.preferredThreadCount = 1 }
      return session
    } catch {
      throw .failure("\(path): \(error.message)")
    }
  }
}

/// Opening model files of either format.
enum ModelOpening {
  /// Opens a `.thimble` file; a `.tflite` file is imported to memory first, uncompressed.
  static func open(_ path: String, budget: MemoryBudget) throws(CommandError) -> ModelFile {
    guard try isTFLite(path) else {
      do { return try ModelFile.open(path, budget: budget) } catch { throw refusal(path, error) }
    }
    let file = try importToMemory(path, budget)
    do { return try ModelFile.open(file, budget: budget) } catch { throw refusal(path, error) }
  }

  /// A system's error names the path itself.
  private static func refusal(_ path: String, _ error: LoadingError) -> CommandError {
    if case .file(.system) = error { return .failure(error.message) }
    return .failure("\(path): \(error.message)")
  }

  private static func importToMemory(_ path: String, _ budget: MemoryBudget) throws(CommandError) -> File {
    let source = try map(path)
    // Whoever runs a model has no room for what imports it before, nor afterwards.
    let code = Process.unusedCode(.computing)
    defer { Process.letGo(code) }
    let imported = try importModel(source, path: path, extraByteCount: code.count, budget: budget)
    do throws(ModelFileError) {
      let file: File
      do { file = try File(inMemory: "thimble-model") } catch { throw .system(error) }
      _ = try ModelFileWriter.write(
        imported.model.graph, payloads: imported.model.payloads, to: file, compression: .none)
      return file
    } catch {
      throw .failure("\(path): \(error.message)")
    }
  }

  /// Whether what a session has computed is worth anything: its file may have changed meanwhile.
  static func check(_ session: Session, _ path: String) throws(CommandError) {
    do { try session.checkFile() } catch { throw .failure("\(path): \(error.message)") }
  }

  /// The file's bytes as far as it has any; an empty file is an error.
  static func map(_ path: String) throws(CommandError) -> MappedFile {
    do throws(SystemError) {
      let file = try File(reading: path)
      let status = try file.status()
      guard status.isRegular, status.byteCount > 0 else { throw SystemError("map", path, code: 22 /* EINVAL */) }
      return try MappedFile(file)
    } catch {
      throw .failure(error.message)
    }
  }

  static func isTFLite(_ path: String) throws(CommandError) -> Bool {
    // Read, not mapped: to touch a page may make a megabyte of the file resident.
    var bytes = [UInt8](repeating: 0, count: 8)
    do throws(SystemError) {
      let file = try File(reading: path)
      let status = try file.status()
      guard status.isRegular, status.byteCount > 0 else { throw SystemError("read", path, code: 22 /* EINVAL */) }
      if status.byteCount < bytes.count { return false }
      try bytes.withUnsafeMutableBufferPointer { (bytes) throws(SystemError) in
        try file.read(into: UnsafeMutableRawBufferPointer(bytes), at: 0)
      }
    } catch {
      throw .failure(error.message)
    }
    return bytes[4..<8].elementsEqual("TFL3".utf8)
  }

  /// TFLite's file identifier, which FlatBuffers put after the root offset.
  static func isTFLite(_ source: borrowing MappedFile) -> Bool {
    source.byteCount >= 8 && source.bytes[4..<8].elementsEqual("TFL3".utf8)
  }

  /// A model imported from a mapped source, and the reservation that it is in.
  struct Imported: ~Copyable {
    // In this order: the memory must be gone before the budget has it back.
    let model: ImportedModel
    let memory: MemoryBudget.Reservation
  }

  /// Imports a mapped source; what is made of it next, as large as the payloads, is reserved too. Packing pads, so what weights
  /// take shows only while they are packed: where it is more than the file, twice the room is tried.
  static func importModel(
    _ source: borrowing MappedFile, path: String, batch: Int? = nil, extraByteCount: Int = 0, budget: MemoryBudget
  ) throws(CommandError) -> Imported {
    var payloadBytesMax = source.byteCount
    while true {
      let records: Int
      do { records = try importingByteCount(source.bytes, payloadBytesMax: payloadBytesMax) } catch {
        try source.check()
        throw .failure("\(path): \(error.message)")
      }
      let byteCount = source.byteCount + 2 * payloadBytesMax + records + extraByteCount
      let memory: MemoryBudget.Reservation
      do { memory = try budget.reserve(byteCount, for: .buffers) } catch {
        throw .failure("\(path): importing: \(error.message)")
      }
      let result: Result<ImportedModel, ImportError>
      do throws(ImportError) {
        result = .success(
          try importTFLite(source.bytes, name: baseName(path), batch: batch, payloadBytesMax: payloadBytesMax))
      } catch {
        result = .failure(error)
      }
      try source.check()
      switch result {
      case .success(let model): return Imported(model: model, memory: memory)
      case .failure(let error):
        // The importer's own limit is below the last try.
        guard case .payloadTooLarge = error, payloadBytesMax < 16 * max(source.byteCount, 64 << 20) else {
          throw .failure("\(path): \(error.message)")
        }
      }
      payloadBytesMax *= 2
    }
  }

  /// The file's name without directories and extension.
  static func baseName(_ path: String) -> String {
    let name = path.utf8.split(separator: UInt8(ascii: "/")).last.map { Array($0) } ?? []
    let end = name.lastIndex(of: UInt8(ascii: ".")) ?? name.count
    return String(decoding: name[..<(end == 0 ? name.count : end)], as: UTF8.self)
  }
}
