import System

/// A file's lines, one after the other, in a bounded buffer.
struct LineReader: ~Copyable {
  private let file: File
  private var buffer: [UInt8] = []
  private var start = 0
  private var hasEnded = false
  /// Bytes of the lines that were taken, with their ends.
  private(set) var takenByteCount = 0

  private static let pieceByteCount = 64 << 10
  private let lineByteCountMax: Int

  /// Errors later: a line of more than `lineByteCountMax` bytes.
  init(_ file: consuming File, lineByteCountMax: Int) {
    self.file = file
    self.lineByteCountMax = lineByteCountMax
  }

  /// The next line without its end; nil where there is none. `isWhole`: it had an end.
  mutating func next() throws(SystemError) -> (line: [UInt8], isWhole: Bool)? {
    var searched = start
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        let line = Array(buffer[start..<end])
        takenByteCount += line.count + 1
        start = end + 1
        return (line, true)
      }
      guard !hasEnded else {
        let rest = Array(buffer[start...])
        takenByteCount += rest.count
        (buffer, start) = ([], 0)
        return rest.isEmpty ? nil : (rest, false)
      }
      buffer.removeFirst(start)
      (searched, start) = (buffer.count, 0)
      guard buffer.count <= lineByteCountMax else {
        throw SystemError(
          "read", "\(file.path): a line is over \(lineByteCountMax) bytes", code: 27 /* EFBIG */)
      }
      try fill()
    }
  }

  private mutating func fill() throws(SystemError) {
    let count = buffer.count
    buffer.append(contentsOf: repeatElement(0, count: LineReader.pieceByteCount))
    let read = try buffer.withUnsafeMutableBufferPointer { (bytes) throws(SystemError) in
      try file.read(into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[count...]))
    }
    buffer.removeLast(LineReader.pieceByteCount - read)
    hasEnded = read < LineReader.pieceByteCount
  }
}
