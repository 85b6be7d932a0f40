import Power
import Protocols

extension PowerDecision {
  /// Writes the members of an object.
  public func writeMembers(to json: inout JSONWriter) {
    json.member("profile", profile)
    json.member("state", state.name)
    json.member("source", source.name)
    if let headroom {
      json.key("headroom")
      json.double((headroom * 1000).rounded() / 1000)
    }
    json.member("threads", threadCount)
    json.member("processors", processors)
    json.member("duty_percent", dutyPercent)
    json.member("batch_window_us", batchWindowMicros)
    json.member("spin", spins)
    json.member("reason", reason)
  }
}
