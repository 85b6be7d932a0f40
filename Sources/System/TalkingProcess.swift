import CSystem

/// Another process whose standard input and output are this one's to write and read, line by line. When this goes, the
/// process's input ends, and its end is waited for.
public final class TalkingProcess {
  private let process: ChildProcess
  private let descriptor: Int32
  private var received: [UInt8] = []
  private var status: Int32?

  /// Starts `path` with the arguments; it inherits the environment and standard error.
  public init(path: String, arguments: [String]) throws(SystemError) {
    var descriptor: Int32 = -1
    process = try ChildProcess(path: path, arguments: arguments) {
      thimble_start_talking_process($0, $1, &descriptor)
    }
    self.descriptor = descriptor
  }

  deinit {
    _ = thimble_close(descriptor)
    if status == nil { _ = try? process.wait() }
  }

  /// Errors: EPIPE where it has ended.
  public func send(_ line: String) throws(SystemError) {
    let bytes = Array((line + "\n").utf8)
    var done = 0
    while done < bytes.count {
      let count = try bytes.withUnsafeBufferPointer { (bytes) throws(SystemError) -> Int64 in
        var part = thimble_bytes(base: bytes.baseAddress! + done, count: bytes.count - done)
        return try retrying("write to a process") { thimble_send(descriptor, &part, 1) }
      }
      done += Int(count)
    }
  }

  /// The next line that it writes, without its end; nil once it has ended.
  public func receive() throws(SystemError) -> [UInt8]? {
    while true {
      if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
        let line = Array(received[..<end])
        received.removeFirst(end + 1)
        return line
      }
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = try retrying("read from a process") { thimble_read(descriptor, &buffer, buffer.count) }
      if count == 0 { return nil }
      received += buffer[..<Int(count)]
    }
  }

  /// Waits for its end; returns as `ChildProcess.wait`.
  public func wait() throws(SystemError) -> Int32 {
    if let status { return status }
    let ended = try process.wait()
    status = ended
    return ended
  }
}
