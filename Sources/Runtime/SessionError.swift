import Memory
import ModelFile

/// Why a model could not be loaded or run.
public enum SessionError: Error, Sendable {
  case memory(MemoryError)
  case file(ModelFileError)

  public init(_ error: LoadingError) {
    switch error {
    case .memory(let error): self = .memory(error)
    case .file(let error): self = .file(error)
    }
  }

  public var message: String {
    switch self {
    case .memory(let error): error.message
    case .file(let error): error.message
    }
  }
}
