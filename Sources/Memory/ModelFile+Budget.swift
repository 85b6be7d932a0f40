import ModelFile
import System

extension ModelFile {
  /// Opens the file at `path`, each step once the memory it takes is reserved.
  public static func open(_ path: String, budget: MemoryBudget) throws(LoadingError) -> ModelFile {
    let file: File
    do { file = try File(reading: path) } catch { throw .file(.system(error)) }
    return try open(file, budget: budget)
  }

  /// Opens a file. The reservations end with the opening: what stays, a session reserves.
  public static func open(_ file: borrowing File, budget: MemoryBudget) throws(LoadingError) -> ModelFile {
    var opening = try inFile { () throws(ModelFileError) in try ModelFileOpening(file) }
    let decoding = try reserve(opening.decodingByteCount, budget)
    do { try opening.decodeMetadata() } catch { throw .file(error) }
    let graph = try reserve(opening.graphByteCount, budget)
    let model: ModelFile
    do { model = try ModelFile(opening) } catch { throw .file(error) }
    _ = consume decoding
    _ = consume graph
    return model
  }

  private static func reserve(
    _ byteCount: Int, _ budget: MemoryBudget
  ) throws(LoadingError) -> MemoryBudget.Reservation {
    do { return try budget.reserve(byteCount, for: .metadata) } catch { throw .memory(error) }
  }

  private static func inFile<Result: ~Copyable>(
    _ body: () throws(ModelFileError) -> Result
  ) throws(LoadingError) -> Result {
    do { return try body() } catch { throw .file(error) }
  }
}

/// Why a model could not be brought into memory.
public enum LoadingError: Error, Sendable {
  case memory(MemoryError)
  case file(ModelFileError)

  public var message: String {
    switch self {
    case .memory(let error): error.message
    case .file(let error): error.message
    }
  }
}
