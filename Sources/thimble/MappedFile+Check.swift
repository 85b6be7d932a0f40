import System

extension MappedFile {
  /// - Throws: that the file was changed, or could not be read, while a command read it: what came of it is worth nothing.
  func check() throws(CommandError) {
    let condition: Condition
    do { condition = try self.condition() } catch { throw .failure(error.message) }
    switch condition {
    case .intact: return
    case .changed(let byteCount):
      throw .failure(
        "\(path) was changed while it was read (\(self.byteCount) bytes then, \(byteCount) now): try again once it is whole"
      )
    case .unreadable: throw .failure("reading \(path) failed: check the disk, or use another copy")
    }
  }
}
