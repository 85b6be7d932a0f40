import Importing
import Memory
import ModelFile
import Runtime
import System

extension Engine {
  /// Loads a `.thimble` model, or imports a `.tflite` one in memory.
  func load(_ path: String) throws(CommandError) -> Session {
    let file = try ModelOpening.open(path, budget: budget)
    do { return try Session(file, kernels: kernels, pool: pool, budget: budget) } catch {
      throw .failure("\(path): \(error.message)")
    }
  }
}

/// Opening model files of either format.
enum ModelOpening {
  /// Opens a `.thimble` file; a `.tflite` file is imported to memory first, uncompressed.
  static func open(_ path: String, budget: MemoryBudget) throws(CommandError) -> ModelFile {
    let mapping = try map(path)
    guard isTFLite(mapping.bytes) else {
      return try openModel(path, budget)
    }
    // The mapped source, the payloads and the file in memory; the last stays and is counted again as weights.
    let working = try reserve(3 * mapping.byteCount, budget, path)
    let model = try importModel(mapping.bytes, path: path, batch: nil)
    let file = try writeToMemory(model, path)
    _ = consume working
    return file
  }

  /// Opening is over before the session reserves what it keeps.
  private static func openModel(_ path: String, _ budget: MemoryBudget) throws(CommandError) -> ModelFile {
    let file: File
    do { file = try File(reading: path) } catch { throw .failure(error.message) }
    let opening: Int
    do { opening = try ModelFile.openingByteCount(of: file) } catch { throw .failure("\(path): \(error.message)") }
    let reservation: MemoryBudget.Reservation
    do { reservation = try budget.reserve(opening, for: .metadata) } catch {
      throw .failure("\(path): \(error.message)")
    }
    let model: ModelFile
    do { model = try ModelFile(file) } catch { throw .failure("\(path): \(error.message)") }
    _ = consume reservation
    return model
  }

  private static func reserve(
    _ byteCount: Int, _ budget: MemoryBudget, _ path: String
  ) throws(CommandError) -> MemoryBudget.Reservation {
    do { return try budget.reserve(byteCount, for: .buffers) } catch {
      throw .failure("\(path): importing on the fly: \(error.message)")
    }
  }

  private static func writeToMemory(_ model: ImportedModel, _ path: String) throws(CommandError) -> ModelFile {
    do throws(ModelFileError) {
      let file: File
      do { file = try File(inMemory: "thimble-model") } catch { throw .system(error) }
      _ = try ModelFileWriter.write(model.graph, payloads: model.payloads, to: file, compression: .none)
      return try ModelFile(file)
    } catch {
      throw .failure("\(path): \(error.message)")
    }
  }

  /// The file's bytes as far as it has any; an empty file is an error.
  static func map(_ path: String) throws(CommandError) -> Mapping {
    do throws(SystemError) {
      let file = try File(reading: path)
      let status = try file.status()
      guard status.isRegular, status.byteCount > 0 else { throw SystemError("map", path, code: 22 /* EINVAL */) }
      return try Mapping(reading: file, byteCount: status.byteCount)
    } catch {
      throw .failure(error.message)
    }
  }

  /// TFLite's file identifier, which FlatBuffers put after the root offset.
  static func isTFLite(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count >= 8 && bytes[4..<8].elementsEqual("TFL3".utf8)
  }

  static func importModel(
    _ bytes: UnsafeRawBufferPointer, path: String, batch: Int?
  ) throws(CommandError) -> ImportedModel {
    do { return try importTFLite(bytes, name: baseName(path), batch: batch) } catch {
      throw .failure("\(path): \(error.message)")
    }
  }

  /// The file's name without directories and extension.
  static func baseName(_ path: String) -> String {
    let name = path.utf8.split(separator: UInt8(ascii: "/")).last.map { Array($0) } ?? []
    let end = name.lastIndex(of: UInt8(ascii: ".")) ?? name.count
    return String(decoding: name[..<(end == 0 ? name.count : end)], as: UTF8.self)
  }
}
