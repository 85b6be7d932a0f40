import Power
import System

/// Appends readings to a trace, each line in one write: whatever ends the program leaves whole lines and at most one cut off.
public final class PowerTraceWriter {
  private let file: File
  private var start: Int64?

  /// Creates the file if need be. A cut-off last line is ended, so that it stays the only one.
  public init(appendingTo path: String) throws(PowerTraceError) {
    do throws(SystemError) {
      file = try File(appendingTo: path)
      let byteCount = try file.status().byteCount
      guard byteCount > 0 else { return }
      var last: UInt8 = 0
      try withUnsafeMutableBytes(of: &last) { (buffer) throws(SystemError) in
        try file.read(into: buffer, at: byteCount - 1)
      }
      if last != 10 { try write([10]) }
    } catch {
      throw .system(error)
    }
  }

  public func append(_ readings: PowerReadings, nowNanoseconds: Int64) throws(PowerTraceError) {
    let start = start ?? nowNanoseconds
    self.start = start
    let milliseconds = Int(max(0, nowNanoseconds &- start) / 1_000_000)
    do throws(SystemError) { try write(PowerTrace.line(readings, milliseconds: milliseconds)) } catch {
      throw .system(error)
    }
  }

  private func write(_ bytes: [UInt8]) throws(SystemError) {
    try bytes.withUnsafeBufferPointer { (bytes) throws(SystemError) in try file.write(UnsafeRawBufferPointer(bytes)) }
  }
}
