import Memory
import System

/// Names of classes, one a line of a mapped file.
final class Labels {
  // In this order: the pages must be gone before the budget has them back.
  private let mapping: Mapping
  private let memory: MemoryBudget.Reservation
  private let byteCount: Int

  private static let byteCountMax = 1 << 20

  init(path: String, budget: MemoryBudget) throws(CommandError) {
    let mapping: Mapping
    do throws(SystemError) {
      let file = try File(reading: path)
      byteCount = try file.status().byteCount
      guard byteCount <= Labels.byteCountMax else { throw SystemError("read", path, code: 27 /* EFBIG */) }
      mapping = try Mapping(reading: file, byteCount: max(byteCount, 1))
    } catch {
      throw .failure(error.message)
    }
    // Nothing is resident before it is read.
    do { memory = try budget.reserve(byteCount, for: .buffers) } catch {
      throw .failure("\(path): \(error.message)")
    }
    self.mapping = mapping
  }

  /// The name of a class; nil where the file has no such line.
  func name(of index: Int) -> String? {
    let bytes = UnsafeRawBufferPointer(rebasing: mapping.bytes.prefix(byteCount))
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
