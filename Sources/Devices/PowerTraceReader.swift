import Power
import Protocols
import System

/// Reads a trace line by line, however long it is. The file may come from anywhere.
public struct PowerTraceReader: ~Copyable {
  private let file: File
  private var buffer: [UInt8] = []
  /// Where the next line begins in the buffer.
  private var position = 0
  private var isAtEnd = false
  private var endsWithinLine = false
  private var lineNumber = 0
  /// The last line's time, and when its recording began.
  private var last = 0
  private var recordingStart = 0
  private var hasSample = false
  /// A line that is no JSON, which is well if a recording ended there.
  private var cutOff: PowerTraceError?
  /// Lines that were cut off.
  public private(set) var cutOffCount = 0

  public init(path: String) throws(PowerTraceError) {
    do throws(SystemError) { file = try File(reading: path) } catch { throw .system(error) }
  }

  /// The next sample; nil at the end. Errors: a line that is no reading's, and a file without any.
  public mutating func next() throws(PowerTraceError) -> PowerTrace.Sample? {
    while let line = try nextLine() {
      let json: JSON
      do throws(ProtocolError) {
        json = try line.withUnsafeBufferPointer { (line) throws(ProtocolError) in
          try JSON(parsing: UnsafeRawBufferPointer(line))
        }
      } catch {
        if let cutOff { throw cutOff }
        cutOff = .line(path: file.path, number: lineNumber, reason: error.message)
        continue
      }
      return try sample(json)
    }
    // Only a line that the file ends in the middle of has been cut off.
    if let cutOff, !endsWithinLine { throw cutOff }
    if cutOff != nil { cutOffCount += 1 }
    cutOff = nil
    guard hasSample else { throw .empty(path: file.path) }
    return nil
  }

  private mutating func sample(_ json: JSON) throws(PowerTraceError) -> PowerTrace.Sample {
    let reader = TargetReader(path: "")
    let time: Int
    let readings: PowerReadings
    do throws(TargetError) {
      try reader.requireObject(json, "the line")
      time = try reader.required(try reader.number(json, "time_ms", in: 0...PowerTrace.millisecondsMax), "time_ms")
      readings = try PowerReadings(json, path: "")
    } catch {
      throw .line(path: file.path, number: lineNumber, reason: error.reason)
    }
    let begins = time == 0 || !hasSample
    if let cutOff {
      guard begins else { throw cutOff }
      cutOffCount += 1
      self.cutOff = nil
    }
    if begins { recordingStart = hasSample ? last + 1000 : 0 }
    guard begins || recordingStart + time >= last, recordingStart <= PowerTrace.millisecondsMax else {
      throw .line(
        path: file.path, number: lineNumber, reason: "time_ms goes back; only 0 begins a new recording")
    }
    last = recordingStart + time
    hasSample = true
    return PowerTrace.Sample(milliseconds: last, readings: readings, beginsRecording: begins)
  }

  /// The next line that is not empty, without its end; nil at the end of the file.
  private mutating func nextLine() throws(PowerTraceError) -> [UInt8]? {
    while true {
      if let end = buffer[position...].firstIndex(of: 10) {
        let line = Array(buffer[position..<end])
        position = end + 1
        lineNumber += 1
        if !line.allSatisfy({ $0 <= 32 }) { return line }
        continue
      }
      if isAtEnd {
        let line = Array(buffer[position...])
        position = buffer.count
        endsWithinLine = endsWithinLine || !line.isEmpty
        lineNumber += 1
        return line.isEmpty ? nil : line
      }
      guard buffer.count - position <= PowerTrace.lineBytesMax else {
        throw .line(
          path: file.path, number: lineNumber + 1, reason: "longer than \(PowerTrace.lineBytesMax) bytes: no trace")
      }
      try fill()
    }
  }

  private mutating func fill() throws(PowerTraceError) {
    var more = [UInt8](repeating: 0, count: PowerTrace.lineBytesMax)
    do throws(SystemError) {
      let count = try more.withUnsafeMutableBufferPointer { (buffer) throws(SystemError) in
        try file.read(into: UnsafeMutableRawBufferPointer(buffer))
      }
      isAtEnd = count < more.count
      buffer = Array(buffer[position...]) + more.prefix(count)
      position = 0
    } catch {
      throw .system(error)
    }
  }
}
