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
  case notJSON(path: String, line: Int, ProtocolError)
  /// A member of a line that has another form than it should.
  case invalid(TargetError)
  case tooLong(path: String, line: Int)
  case timeGoesBack(path: String, line: Int)
  case empty(path: String)

  public var message: String {
    switch self {
    case .system(let error): error.message
    case .notJSON(let path, let line, let error): "\(path), line \(line): \(error.message)"
    case .invalid(let error): error.message
    case .tooLong(let path, let line): "\(path), line \(line): longer than \(PowerTrace.lineBytesMax) bytes: no trace"
    case .timeGoesBack(let path, let line): "\(path), line \(line): time_ms goes back; only 0 begins a new recording"
    case .empty(let path): "\(path) has no readings: `thimble power --record` writes some"
    }
  }
}
