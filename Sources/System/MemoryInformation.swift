/// What the kernel says of the machine's memory. `root` replaces `/` for tests.
public enum MemoryInformation {
  /// MemTotal and MemAvailable in bytes; nil where /proc/meminfo lacks one of them.
  public static func machine(root: String = "") -> (totalByteCount: Int, availableByteCount: Int)? {
    guard let bytes = try? File.bytes(of: root + "/proc/meminfo", limit: 1 << 16),
      let total = byteCount("MemTotal", bytes), let available = byteCount("MemAvailable", bytes)
    else { return nil }
    return (total, available)
  }

  private static func byteCount(_ field: String, _ bytes: [UInt8]) -> Int? {
    guard let value = Process.kibibytes(named: field, in: bytes), value <= Int.max / 1024 else { return nil }
    return value * 1024
  }

  /// The number after `name` in a file of `name number` lines, such as `memory.stat`; nil where there is none.
  public static func counter(_ name: String, in path: String) -> Int? {
    guard let bytes = try? File.bytes(of: path, limit: 1 << 16) else { return nil }
    let prefix = Array(name.utf8) + [UInt8(ascii: " ")]
    for line in bytes.split(separator: UInt8(ascii: "\n")) where line.starts(with: prefix) {
      return Int(String(decoding: line.dropFirst(prefix.count), as: UTF8.self))
    }
    return nil
  }
}
