import System

extension MappedFile {
  /// - Throws: what has become of the file, unless it is as it was opened.
  func check() throws(ModelFileError) {
    let condition: Condition
    do { condition = try self.condition() } catch { throw .system(error) }
    switch condition {
    case .intact: return
    case .changed(let byteCount): throw .changed(from: self.byteCount, to: byteCount)
    case .unreadable: throw .unreadable
    }
  }

  /// Why something is wrong with the bytes: what `check` says, or else `error`.
  func cause(of error: ModelFileError) -> ModelFileError {
    do { try check() } catch let cause { return cause }
    return error
  }
}
