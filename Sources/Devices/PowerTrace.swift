import Power
import Protocols
import System

/// Readings over time in a file of JSON lines: `{"time_ms":…,"zones":[…],…}`. A line whose time is 0 begins a recording, so that
/// several in one file, also after a cut, are told apart.
public enum PowerTrace {
  /// Bytes of one line; a machine of hundreds of processors takes a tenth.
  static let lineBytesMax = 64 << 10
  /// All recordings of a file together: 30 years.
  static let millisecondsMax = 1_000_000_000_000

  public struct Sample: Sendable {
    /// Since the first line; a recording begins one second after the one before it ended.
    public var milliseconds: Int
    public var readings: PowerReadings
    public var beginsRecording: Bool
  }

  static func line(_ readings: PowerReadings, milliseconds: Int) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.member("time_ms", milliseconds)
    readings.writeMembers(to: &json)
    json.endObject()
    return json.bytes + [10]
  }
}

/// Why a trace cannot be read or written.
public enum PowerTraceError: Error, Sendable {
  case system(SystemError)
  /// What is wrong with a line.
  case line(path: String, number: Int, reason: String)
  case empty(path: String)

  public var message: String {
    switch self {
    case .system(let error): error.message
    case .line(let path, let number, let reason): "\(path), line \(number): \(reason)"
    case .empty(let path): path + " has no readings: `thimble power --record` writes some"
    }
  }
}
