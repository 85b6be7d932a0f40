import Power
import Protocols

extension PowerDecision: JSONWritable {
  public func write(to json: inout JSONWriter) {
    json.beginObject()
    json.member("state", state.name)
    json.member("source", source.name)
    json.member("profile", profile)
    json.member("threads", threadCount)
    json.member("processors", processors)
    json.member("duty_percent", dutyPercent)
    json.member("batch_window_us", batchWindowMicros)
    json.member("spins", spins)
    if let headroom { json.member("headroom", headroom) }
    json.member("reason", reason)
    json.endObject()
  }
}
