import Memory
import System

/// Names of classes, one a line of a mapped file.
final class Labels {
  // In this order: the pages must be gone before the budget has them back.
  private let mapping: MappedFile
  private let memory: MemoryBudget.Reservation

  private static let byteCountMax = 1 << 20

  init(path: String, budget: MemoryBudget) throws(CommandError) {
    let mapping = try Labels.map(path)
    // Nothing is resident before it is read.
    do { memory = try budget.reserve(mapping.byteCount, for: .buffers, kind: .mapped) } catch {
      throw .failure("\(path): \(error.message)")
    }
    self.mapping = mapping
  }

  private static func map(_ path: String) throws(CommandError) -> MappedFile {
    do throws(SystemError) {
      let mapping = try MappedFile(try File(reading: path))
      guard mapping.byteCount <= byteCountMax else { throw SystemError("read", path, code: 27 /* EFBIG */) }
      return mapping
    } catch {
      throw .failure(error.message)
    }
  }

  /// - Throws: that the file changed since it was opened: names were none of its own.
  func check() throws(CommandError) { try mapping.check() }

  /// The name of a class; nil where the file has no such line.
  func name(of index: Int) -> String? {
    let bytes = mapping.bytes
    var (line, start) = (0, 0)
    while line < index {
      guard let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
      line += 1
      start = end + 1
    }
    guard start < bytes.count else { return nil }
    let text = bytes[start...].prefix { $0 != UInt8(ascii: "\n") }
    return String(decoding: text.last == UInt8(ascii: "\r") ? text.dropLast() : text, as: UTF8.self)
  }
}
