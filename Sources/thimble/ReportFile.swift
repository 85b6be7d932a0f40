import System

/// A file that a command writes what it has found to.
enum ReportFile {
  static func write(_ bytes: [UInt8], to path: String) throws(CommandError) {
    do throws(SystemError) {
      let file = try File(creating: path)
      try bytes.withUnsafeBufferPointer { (bytes) throws(SystemError) in try file.write(UnsafeRawBufferPointer(bytes)) }
    } catch {
      throw .failure(error.message)
    }
  }
}
