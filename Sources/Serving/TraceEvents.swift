import Protocols
import Runtime
import System

/// Events of Chrome's trace format, with commas between. (Trace Event Format, "complete events")
struct TraceEvents {
  private var writer: JSONWriter
  private let process = Int(Process.identifier)

  /// Where the worker's events are; a connection's are at its token, which is higher.
  static let workerLane = 1
  /// A bound on an event's bytes but for its name and what `arguments` writes.
  static let eventBytesMax = 192

  init(byteCountMax: Int) {
    writer = JSONWriter()
    writer.bytes.reserveCapacity(byteCountMax)
  }

  var bytes: [UInt8] { writer.bytes }

  /// Not inlined: it is called in many places, of which none is hot.
  @inline(never)
  mutating func add(
    _ name: String, _ category: String, lane: Int, start: Int64, nanoseconds: Int64,
    _ arguments: (inout JSONWriter) -> Void = { _ in }
  ) {
    writer.beginObject()
    writer.member("name", name)
    writer.member("cat", category)
    writer.member("ph", "X")
    // Microseconds; their sum is exact where they are multiples of a nanosecond in a double.
    writer.member("ts", Double(start) / 1000)
    writer.member("dur", Double(max(0, nanoseconds)) / 1000)
    writer.member("pid", process)
    writer.member("tid", lane)
    writer.key("args")
    writer.beginObject()
    arguments(&writer)
    writer.endObject()
    writer.endObject()
  }

  /// Events that have been written before.
  mutating func add(_ events: [UInt8]) { if !events.isEmpty { writer.raw(events) } }
}
