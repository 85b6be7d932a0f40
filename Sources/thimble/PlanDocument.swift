import Protocols
import Runtime

/// What `thimble plan` says as JSON.
struct PlanDocument {
  let path: String
  let threadCount: Int
  let isa: String

  func write(
    _ forecast: borrowing MemoryForecast, _ entry: MemoryForecast.Entry, to json: inout JSONWriter
  ) {
    json.beginObject()
    json.member("model", path)
    json.member("isa", isa)
    json.member("threads", threadCount)
    json.member("least_budget_bytes", forecast.leastBudgetByteCount)
    json.member("full_budget_bytes", forecast.fullBudgetByteCount)
    PlanDocument.writeMembers(of: entry, to: &json)
    json.key("curve")
    json.beginArray()
    for point in forecast.curve(pointCount: 9) {
      json.beginObject()
      PlanDocument.writeMembers(of: point, to: &json)
      json.endObject()
    }
    json.endArray()
    json.endObject()
  }

  private static func writeMembers(of entry: MemoryForecast.Entry, to json: inout JSONWriter) {
    for (name, value) in entry.byteCounts { json.member(name, value) }
    json.key("predicted_latency_ms")
    json.double(entry.nanoseconds / 1e6)
    json.key("predicted_slowdown")
    json.double(entry.slowdown)
  }
}
