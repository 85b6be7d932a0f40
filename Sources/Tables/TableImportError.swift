import ModelFile

/// Why a file could not be made a table: what is wrong, and where.
public struct TableImportError: Error, Sendable {
  public let message: String

  public init(_ message: String) { self.message = message }
  init(_ error: ModelFileError) { message = error.message }
}
