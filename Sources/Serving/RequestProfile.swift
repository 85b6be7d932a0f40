import Memory
import Protocols
import Runtime
import Tensors

/// What one request's inference took, operator by operator, for a client that asks for it with `thimble_profile`.
struct RequestProfile {
  private var recording: Recording
  /// The bound of the text, and the reservation of all of it.
  private let jsonBytesMax: Int
  private let traceBytesMax: Int
  let held: HeldMemory
  /// Threads that took part.
  private var threadCount = 1

  /// Finds memory for it, before the model runs.
  init(
    _ session: Session, _ model: LoadedModel, _ residents: ModelResidents, isTraced: Bool
  ) throws(ServingError) {
    let textBytesMax = session.operatorSummaries.reduce(256) { $0 + RequestProfile.jsonBytesMax($1) }
    let traceBytesMax = isTraced ? textBytesMax + session.operatorSummaries.count * TraceEvents.eventBytesMax : 0
    let byteCount =
      session.recordingByteCount + session.residenciesByteCount + textBytesMax + traceBytesMax
    held = try residents.findingRoom(sparing: model) { () throws(MemoryError) in
      try residents.buffers.reserve(byteCount)
    }
    recording = session.makeRecording()
    (jsonBytesMax, self.traceBytesMax) = (textBytesMax, traceBytesMax)
  }

  /// Names of members and numbers take less than 400 bytes.
  private static func jsonBytesMax(_ summary: Session.OperatorSummary) -> Int {
    400 + 6 * summary.name.utf8.count + 21 * summary.outputShape.rank
  }

  mutating func run(_ session: Session, threadLimit: Int) {
    threadCount = session.threadCount(limit: threadLimit)
    session.run(recording: &recording, threadLimit: threadLimit)
  }

  /// `{"isa","threads","ns","operators":[{…,"ns","busy_ns"}]}`, in nanoseconds.
  func json(_ session: Session, isa: String) -> [UInt8] {
    var json = JSONWriter()
    json.bytes.reserveCapacity(jsonBytesMax)
    json.beginObject()
    json.member("isa", isa)
    json.member("threads", threadCount)
    json.member("ns", Int(recording.totalNanoseconds))
    json.key("operators")
    json.beginArray()
    let residencies = session.weightResidencies
    for (index, summary) in session.operatorSummaries.enumerated() {
      json.beginObject()
      OperatorDocument.write(summary, residencies[index], to: &json)
      json.member("ns", Int(recording.nanoseconds(index)))
      json.member("busy_ns", Int(recording.busyNanoseconds(index)))
      json.endObject()
    }
    json.endArray()
    json.endObject()
    assert(json.bytes.count <= jsonBytesMax, "a profile's bound is too low")
    withExtendedLifetime(held) {}
    return json.bytes
  }

  /// The operators as events of a trace, one after the other from the run's start on; of a chain's members each is the sum over
  /// its stripes.
  func traceEvents(_ session: Session, start: Int64) -> [UInt8] {
    var events = TraceEvents(byteCountMax: traceBytesMax)
    var start = start
    let residencies = session.weightResidencies
    for (index, summary) in session.operatorSummaries.enumerated() {
      let nanoseconds = recording.nanoseconds(index)
      events.add(summary.name, "operator", lane: TraceEvents.workerLane, start: start, nanoseconds: nanoseconds) {
        OperatorDocument.write(summary, residencies[index], to: &$0)
        $0.member("busy_ns", Int(recording.busyNanoseconds(index)))
      }
      start += nanoseconds
    }
    assert(events.bytes.count <= traceBytesMax, "a trace's bound is too low")
    return events.bytes
  }
}
