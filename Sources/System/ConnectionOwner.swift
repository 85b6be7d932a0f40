import CSystem

/// Who holds the other end of a TCP connection within this machine, as the kernel's table has it (proc(5), /proc/net/tcp).
enum ConnectionOwner {
  /// Bytes of a line, which are filled up with spaces.
  private static let lineByteCount = 150

  /// Nil where the other end is not in the table, as of a client elsewhere.
  static func user(of connection: thimble_connection) -> UInt32? {
    guard let file = try? File(reading: "/proc/net/tcp") else { return nil }
    var line = [UInt8](repeating: 0, count: lineByteCount)
    while true {
      let count = line.withUnsafeMutableBytes { (try? file.read(into: $0)) ?? 0 }
      guard count == lineByteCount, line[lineByteCount - 1] == UInt8(ascii: "\n") else { return nil }
      // sl local_address rem_address st tx:rx tr:when retrnsmt uid
      let words = line.split(separator: UInt8(ascii: " "), maxSplits: 8)
      guard words.count > 7, words[1].elementsEqual(text(connection.peer_host, connection.peer_port)),
        words[2].elementsEqual(text(connection.own_host, connection.own_port))
      else { continue }
      return UInt32(String(decoding: words[7], as: UTF8.self))
    }
  }

  /// As the table has it: the address as the machine reads its four bytes.
  private static func text(_ host: UInt32, _ port: UInt16) -> [UInt8] {
    let digits = Array("0123456789ABCDEF".utf8)
    let hex = { (value: UInt32, count: UInt32) in (0..<count).reversed().map { digits[Int(value >> ($0 * 4) & 15)] } }
    return hex(host, 8) + [UInt8(ascii: ":")] + hex(UInt32(port), 4)
  }
}
