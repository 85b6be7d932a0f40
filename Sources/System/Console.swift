import CSystem

/// The standard streams.
public enum Console {
  public static func write(_ text: String, to descriptor: Int32 = 1) {
    var text = text
    text.withUTF8 { bytes in
      var done = 0
      while done < bytes.count {
        let count = thimble_write(descriptor, bytes.baseAddress! + done, bytes.count - done)
        if count > 0 { done += Int(count) } else if Int32(-count) != SystemError.interrupted { return }
      }
    }
  }

  public static func line(_ text: String) { write(text + "\n") }
  public static func error(_ text: String) { write(text + "\n", to: 2) }

  public static var outputIsTerminal: Bool { thimble_is_terminal(1) }
  public static var errorIsTerminal: Bool { thimble_is_terminal(2) }

  /// Whether standard error goes to systemd's journal, which takes priorities in front of lines. (systemd.exec(5), JOURNAL_STREAM)
  public static var errorIsJournal: Bool {
    guard let stream = Process.environment("JOURNAL_STREAM") else { return false }
    var status = thimble_file_status()
    return thimble_status_of(2, &status) >= 0 && stream == "\(status.device):\(status.inode)"
  }

  /// One line of standard input without its end, nil at the end of input. For interactive use, not for bulk.
  public static func readLine() -> String? {
    var bytes: [UInt8] = []
    while true {
      var byte: UInt8 = 0
      let count = thimble_read(0, &byte, 1)
      if Int32(-count) == SystemError.interrupted { continue }
      if count <= 0 { return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self) }
      if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
      bytes.append(byte)
    }
  }

  /// `value` with exactly `digits` digits after the point.
  public static func fixed(_ value: Double, _ digits: Int) -> String {
    var buffer = [CChar](repeating: 0, count: 400)
    let count = thimble_format_double(value, Int32(digits), &buffer, buffer.count)
    return String(
      decoding: buffer[0..<max(0, min(Int(count), buffer.count - 1))].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
