import Protocols
import Runtime

/// What `thimble plan --json` and `POST /v2/thimble/plan` say of a model.
public struct PlanDocument {
  /// Points of the curve, at most.
  public static let pointCount = 9

  /// What a server has; bytes of the budget.
  struct Memory {
    let budgetByteCount: Int
    /// Held while every model sleeps.
    let takenByteCount: Int
    let availableByteCount: Int
    /// What the models that are awake could give up besides.
    let reclaimableByteCount: Int
  }

  let model: String
  let version: Int?
  let threadCount: Int
  let isa: String
  let memory: Memory?

  /// `model` is a name or a path.
  public init(model: String, threadCount: Int, isa: String) {
    self.init(model: model, version: nil, threadCount: threadCount, isa: isa, memory: nil)
  }

  init(model: String, version: Int?, threadCount: Int, isa: String, memory: Memory?) {
    self.model = model
    self.version = version
    self.threadCount = threadCount
    self.isa = isa
    self.memory = memory
  }

  public func write(
    _ forecast: borrowing MemoryForecast, _ entry: MemoryForecast.Entry, to json: inout JSONWriter
  ) {
    json.beginObject()
    json.member("model", model)
    if let version { json.member("version", "\(version)") }
    json.member("isa", isa)
    json.member("threads", threadCount)
    json.member("least_budget_bytes", forecast.leastBudgetByteCount)
    json.member("full_budget_bytes", forecast.fullBudgetByteCount)
    PlanDocument.writeMembers(of: entry, to: &json)
    writeCurve(forecast, to: &json)
    if let memory { PlanDocument.write(memory, to: &json) }
    json.endObject()
  }

  /// Points exist one at a time: each holds a whole plan.
  private func writeCurve(_ forecast: borrowing MemoryForecast, to json: inout JSONWriter) {
    json.key("curve")
    json.beginArray()
    var last: Int?
    for index in 0..<PlanDocument.pointCount {
      let budget = forecast.curveBudgetByteCount(index, of: PlanDocument.pointCount)
      guard budget != last, let point = forecast.entry(budgetByteCount: budget) else { continue }
      last = budget
      json.beginObject()
      PlanDocument.writeMembers(of: point, to: &json)
      json.endObject()
    }
    json.endArray()
  }

  private static func writeMembers(of entry: MemoryForecast.Entry, to json: inout JSONWriter) {
    for (name, value) in entry.byteCounts { json.member(name, value) }
    json.key("predicted_latency_ms")
    json.double(entry.nanoseconds / 1e6)
    json.key("predicted_slowdown")
    json.double(entry.slowdown)
  }

  private static func write(_ memory: Memory, to json: inout JSONWriter) {
    json.key("memory")
    json.beginObject()
    json.member("budget_bytes", memory.budgetByteCount)
    json.member("taken_bytes", memory.takenByteCount)
    json.member("available_bytes", memory.availableByteCount)
    json.member("reclaimable_bytes", memory.reclaimableByteCount)
    json.endObject()
  }
}

extension PlanDocument {
  var jsonBytesMax: Int { 512 + model.jsonByteCount + isa.jsonByteCount + (PlanDocument.pointCount + 1) * 576 }
}
