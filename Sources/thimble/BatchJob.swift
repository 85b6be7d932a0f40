import Protocols
import System

/// A long job: requests of a file, a line each, whose answers go to another in the same order. What is there of them already is
/// not asked again.
final class BatchJob: @unchecked Sendable {
  private let lock = Lock()
  /// Guarded by `lock`.
  private var reader: LineReader
  private var error: CommandError?
  private var takenCount: Int
  private(set) var failureCount = 0
  private var hasEnded = false
  private let output: File
  private let inputByteCount: Int
  /// Lines of the output that are written.
  private let written: Futex
  let skippedCount: Int
  private let start = Clock.nowNanoseconds
  private var shownNanoseconds: Int64 = 0

  /// A daemon takes no longer requests.
  static let lineByteCountMax = 64 << 20

  /// Opens both files, cuts a torn last line off the output, and passes over the requests that are answered in it.
  init(input: String, output path: String, lineByteCountMax: Int = lineByteCountMax) throws(CommandError) {
    inputByteCount = try BatchJob.inFiles { () throws(SystemError) in try FileSystem.status(of: input).byteCount }
    var reader = try BatchJob.inFiles { () throws(SystemError) in
      LineReader(try File(reading: input), lineByteCountMax: lineByteCountMax)
    }
    output = try BatchJob.inFiles { () throws(SystemError) in try File(appendingTo: path) }
    skippedCount = try BatchJob.cut(path)
    takenCount = skippedCount
    written = Futex(UInt32(truncatingIfNeeded: skippedCount))
    for _ in 0..<skippedCount {
      let isThere: Bool
      do throws(SystemError) { isThere = try BatchJob.nextRequest(&reader) != nil } catch {
        throw .failure(error.message)
      }
      guard isThere else { throw .failure("\(path): it has more lines than \(input): it is another job's") }
    }
    self.reader = reader
  }

  private static func inFiles<Result: ~Copyable>(
    _ body: () throws(SystemError) -> Result
  ) throws(CommandError) -> Result {
    do { return try body() } catch { throw .failure(error.message) }
  }

  /// Returns the whole lines; what is behind the last of them goes.
  private static func cut(_ path: String) throws(CommandError) -> Int {
    do throws(SystemError) {
      var lines = LineReader(try File(reading: path), lineByteCountMax: Int.max / 2)
      var count = 0
      while let (line, isWhole) = try lines.next() {
        if isWhole {
          count += 1
        } else {
          try File(appendingTo: path).truncate(to: lines.takenByteCount - line.count)
        }
      }
      return count
    } catch {
      throw .failure(error.message)
    }
  }

  private static func nextRequest(_ reader: inout LineReader) throws(SystemError) -> [UInt8]? {
    while let (line, _) = try reader.next() {
      if line.contains(where: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\t") }) {
        return line
      }
    }
    return nil
  }

  // MARK: Working

  /// Asks for one line after the other until there are no more. Several threads may do so at once.
  func work(_ ask: ([UInt8]) throws(CommandError) -> BatchAnswer) {
    while let (number, line) = next() {
      do throws(CommandError) {
        try write(number, try ask(line))
      } catch {
        fail(error)
      }
    }
  }

  private func next() -> (Int, [UInt8])? {
    lock.withLock {
      guard error == nil, !hasEnded else { return nil }
      do throws(SystemError) {
        guard let line = try BatchJob.nextRequest(&reader) else {
          hasEnded = true
          return nil
        }
        takenCount += 1
        return (takenCount - 1, line)
      } catch {
        self.error = .failure(error.message)
        return nil
      }
    }
  }

  /// Waits for those before it.
  private func write(_ number: Int, _ answer: BatchAnswer) throws(CommandError) {
    while true {
      let seen = written.load()
      if seen == UInt32(truncatingIfNeeded: number) { break }
      guard lock.withLock({ error == nil }) else { return }
      written.wait(while: seen, timeoutNanoseconds: 100_000_000)
    }
    var line = answer.line
    line.append(UInt8(ascii: "\n"))
    do throws(SystemError) {
      try line.withUnsafeBufferPointer { (bytes) throws(SystemError) in try output.write(UnsafeRawBufferPointer(bytes))
      }
    } catch {
      throw .failure(error.message)
    }
    lock.withLock { if answer.isError { failureCount += 1 } }
    written.add(1)
    written.wakeAll()
    show(isLast: false)
  }

  private func fail(_ error: CommandError) { lock.withLock { self.error = self.error ?? error } }

  // MARK: The end

  /// Lines answered by this run.
  var answeredCount: Int {
    Int(written.load() &- UInt32(truncatingIfNeeded: skippedCount))
  }

  var seconds: Double { Double(Clock.nowNanoseconds - start) / 1e9 }

  /// Errors: what ended it early.
  func finish() throws(CommandError) {
    show(isLast: true)
    if let error {
      throw CommandError(
        message:
          "\(error.message); \(skippedCount + answeredCount) lines are answered: the same command goes on from there",
        status: error.status)
    }
  }

  private func show(isLast: Bool) {
    guard Console.errorIsTerminal else { return }
    let text: String? = lock.withLock {
      let now = Clock.nowNanoseconds
      guard isLast || now - shownNanoseconds > 200_000_000 else { return nil }
      shownNanoseconds = now
      let share = inputByteCount > 0 ? min(1, Double(reader.takenByteCount) / Double(inputByteCount)) : 1
      let full = Int(share * 30)
      let bar = String(repeating: "▇", count: full) + String(repeating: "·", count: 30 - full)
      let rate = Double(answeredCount) / max(0.001, seconds)
      return
        "\r\(bar) \(Int(share * 100)) %  \(skippedCount + answeredCount) lines, \(Console.fixed(rate, 1)) a second  "
    }
    if let text { Console.write(text + (isLast ? "\n" : ""), to: 2) }
  }
}

/// One line of the output.
struct BatchAnswer {
  var line: [UInt8]
  var isError = false

  init(_ line: [UInt8]) { self.line = line }

  /// `{"error":…}`, as a server has it.
  init(error message: String) {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("error", message)
    writer.endObject()
    line = writer.bytes
    isError = true
  }
}
