import CSystem

/// This process: its arguments, memory and end.
public enum Process {
  /// The command line without the program's name.
  public static var arguments: [String] {
    var arguments: [String] = []
    var index: Int32 = 1
    while let argument = thimble_argument(index) {
      arguments.append(String(cString: argument))
      index += 1
    }
    return arguments
  }

  public static func environment(_ name: String) -> String? { thimble_environment(name).map { String(cString: $0) } }

  public static var identifier: Int32 { thimble_process_id() }

  /// The user in whose name the process acts.
  public static var effectiveUser: UInt32 { thimble_effective_user() }

  /// Where an emulator that counts instructions begins and ends: see targets/aarch64-linux/count.sh.
  public enum Mark: Int32 {
    case countingBegins = 0
    case countingEnds = 1
    /// Before the runs that warm the caches.
    case warmUpBegins = 2
  }

  /// Makes a system call that has no effect but that the emulator sees.
  public static func mark(_ mark: Mark) { thimble_mark(mark.rawValue) }

  /// Ends the process; standard output is flushed.
  public static func exit(_ status: Int32) -> Never { thimble_exit(status) }

  /// Says `message` on standard error and aborts. For broken invariants: a trap's text is lost in Embedded builds.
  public static func abort(_ message: String) -> Never { thimble_abort(message) }

  /// A value of /proc/self/status in bytes: `VmHWM`, `VmRSS`, `RssAnon`, …; nil where the kernel has none.
  public static func memoryByteCount(_ field: String) -> Int? {
    guard let bytes = try? File.bytes(of: "/proc/self/status", limit: 1 << 16) else { return nil }
    return kibibytes(named: field, in: bytes).map { $0 * 1024 }
  }

  /// The number after `field:` in a file of `name: number kB` lines.
  static func kibibytes(named field: String, in bytes: [UInt8]) -> Int? {
    let name = Array(field.utf8) + [UInt8(ascii: ":")]
    for line in bytes.split(separator: UInt8(ascii: "\n")) where line.starts(with: name) {
      var value: Int?
      for byte in line.dropFirst(name.count) {
        if byte >= 48 && byte <= 57 {
          let (scaled, overflow) = (value ?? 0).multipliedReportingOverflow(by: 10)
          if overflow { return nil }
          value = scaled + Int(byte - 48)
        } else if value != nil {
          break
        }
      }
      return value
    }
    return nil
  }

  /// Parts of the address space that files, the program's own and its libraries', are mapped to and that may become
  /// resident; nil where the kernel does not say.
  public static var mappedFiles: [Range<UInt>]? {
    guard let bytes = try? File.bytes(of: "/proc/self/maps", limit: 1 << 22) else { return nil }
    return mappedFiles(in: bytes)
  }

  /// Lines of `start-end permissions offset device inode path`, numbers but the inode hexadecimal; memory without a file
  /// has inode 0, and what nobody may read or run never becomes resident.
  static func mappedFiles(in bytes: [UInt8]) -> [Range<UInt>] {
    var ranges: [Range<UInt>] = []
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
      guard fields.count >= 5, !fields[4].elementsEqual("0".utf8), !fields[1].starts(with: "---".utf8) else { continue }
      let ends = fields[0].split(separator: UInt8(ascii: "-"))
      guard ends.count == 2, let start = hexadecimal(ends[0]), let end = hexadecimal(ends[1]), end >= start else {
        continue
      }
      ranges.append(start..<end)
    }
    return ranges
  }

  /// What a process of the program is for, which says what code it runs: see targets/code-order.lds.
  public enum Duty {
    case serving
    /// The commands that run models themselves.
    case computing
    /// The others: they import, report and ask.
    case everything
  }

  /// Addresses of code that a process never runs, and whose pages so stay away: without the ends that Linux makes resident
  /// together with their neighbours (`fault_around_bytes`, 64 KiB). Empty where the program was linked in another order.
  public static func unusedCode(_ duty: Duty) -> Range<UInt> {
    let code = thimble_find_code_aside()
    let end: UInt
    switch duty {
    case .serving: end = code.commands_end
    case .computing: end = code.commands_begin
    case .everything: return 0..<0
    }
    let around: UInt = 64 << 10
    let (up, overflows) = code.tools_begin.addingReportingOverflow(around - 1)
    let (first, last) = (up & ~(around - 1), end & ~(around - 1))
    return overflows || first >= last ? 0..<0 : first..<last
  }

  /// Lets go of pages of a mapped file; who touches one gets it again. They become a mapping of their own: Linux 6.18 makes
  /// resident with a page all of its folio, megabytes where the file was written at once, as far as its mapping goes.
  public static func letGo(_ range: Range<UInt>) {
    guard let base = UnsafeMutableRawPointer(bitPattern: range.lowerBound) else { return }
    _ = thimble_set_pages_apart(base, range.count)
    _ = thimble_release_pages(base, range.count)
  }

  /// Makes pages of a mapped file resident now, as far as the kernel can (Linux 5.14).
  public static func populate(_ range: Range<UInt>) {
    if let base = UnsafeRawPointer(bitPattern: range.lowerBound) { _ = thimble_populate_pages(base, range.count) }
  }

  private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt? {
    var value: UInt64 = 0
    for digit in digits {
      switch digit {
      case 48...57: value = value << 4 | UInt64(digit - 48)
      case 97...102: value = value << 4 | UInt64(digit - 87)
      default: return nil
      }
    }
    return UInt(exactly: value)
  }

  /// Most bytes of memory this process has had resident at once.
  public static var peakResidentByteCount: Int { memoryByteCount("VmHWM") ?? 0 }

  /// How often the kernel took the processor away from a thread of this process that wanted to go on.
  public static var involuntarySwitchCount: Int { Int(thimble_involuntary_switch_count()) }

  public static var physicalMemoryByteCount: Int { Int(thimble_physical_memory_byte_count()) }
}

/// Another process, started from a program file.
public struct ChildProcess: Sendable {
  public let identifier: Int32

  /// Starts `path` with the arguments; it inherits the environment and the standard streams.
  public init(path: String, arguments: [String]) throws(SystemError) {
    try self.init(path: path, arguments: arguments) { thimble_start_process($0, $1) }
  }

  init(
    path: String, arguments: [String],
    start: (UnsafePointer<CChar>, UnsafePointer<UnsafePointer<CChar>?>) -> Int32
  ) throws(SystemError) {
    // One block of zero-terminated strings, and pointers into it.
    var text: [CChar] = []
    var starts: [Int] = []
    for argument in [path] + arguments {
      starts.append(text.count)
      for byte in argument.utf8 { text.append(CChar(bitPattern: byte)) }
      text.append(0)
    }
    identifier = try text.withUnsafeBufferPointer { (text) throws(SystemError) -> Int32 in
      var pointers: [UnsafePointer<CChar>?] = starts.map { text.baseAddress! + $0 }
      pointers.append(nil)
      return try retrying("start", path) { start(text.baseAddress!, pointers) }
    }
  }

  public func terminate() { _ = thimble_terminate_process(identifier) }

  /// Waits for its end; returns the exit status, or 128 + the signal that ended it.
  public func wait() throws(SystemError) -> Int32 {
    try retrying("wait for a process") { thimble_wait_process(identifier, true) }
  }

  /// Whether it still runs; once it does not, it has been waited for.
  public var isRunning: Bool { thimble_wait_process(identifier, false) == -SystemError.wouldBlock }
}
