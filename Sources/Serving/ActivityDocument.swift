import Devices
import Memory
import Power
import Protocols
import Runtime
import System

/// `GET /v2/thimble/activity`: what `thimble top` shows. Counts are since the start; two of them make a rate.
struct ActivityDocument: JSONWritable {
  struct Row {
    let metrics: ModelMetrics
    let residency: LoadedModel.Residency
    let byteCount: Int
  }

  let rows: [Row]
  let budget: MemoryBudget
  let threadCount: Int
  let connectionCount: Int
  let queuedCount: Int
  let rung: String
  let decision: PowerDecision?
  let startedMilliseconds: Int64

  func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("time_ns", Int(Clock.nowNanoseconds))
    writer.member("uptime_seconds", Int(max(0, Clock.wallMilliseconds - startedMilliseconds) / 1000))
    writer.member("threads", threadCount)
    writer.member("connections", connectionCount)
    writer.member("queued_requests", queuedCount)
    writer.member("rung", rung)
    writer.member("budget_bytes", budget.limitByteCount)
    writer.member("reserved_bytes", budget.reservedByteCount)
    writer.member("peak_resident_bytes", Process.peakResidentByteCount)
    if let decision {
      writer.key("governor")
      writer.beginObject()
      decision.writeMembers(to: &writer)
      writer.endObject()
    }
    writer.key("models")
    writer.beginArray()
    for row in rows { write(row, to: &writer) }
    writer.endArray()
    writer.endObject()
  }

  private func write(_ row: Row, to writer: inout JSONWriter) {
    let metrics = row.metrics
    writer.beginObject()
    writer.member("name", metrics.model)
    writer.member("version", "\(metrics.version)")
    writer.member("state", row.residency.state == .asleep ? "asleep" : "loaded")
    writer.member("bytes", row.byteCount)
    writer.member("pending_requests", metrics.pendingCount)
    writer.member("successes", metrics.successCount)
    writer.member("failures", metrics.failureCount)
    writer.member("inferences", metrics.inferenceCount)
    for (name, share) in [("p50_ns", 0.5), ("p99_ns", 0.99)] {
      if let nanoseconds = metrics.latencies?.quantileNanoseconds(share) { writer.member(name, Int(nanoseconds)) }
    }
    writer.endObject()
  }

  var jsonBytesMax: Int {
    let power = decision.map { 4096 + $0.reason.jsonByteCount + 21 * $0.processors.count } ?? 0
    return rows.reduce(1024 + power) { $0 + 320 + $1.metrics.model.jsonByteCount }
  }
}

extension Server {
  /// From now on latencies are written down for a minute.
  func activity() throws(ServingError) -> Answer {
    let now = Clock.nowNanoseconds
    let rows = repository.loadedModels.map { model in
      let metrics = metrics(of: model)
      if let latencies = metrics.latencies {
        latencies.watch(at: now)
      } else if let held = try? buffers.reserve(LatencyWindow.byteCount) {
        metrics.latencies = LatencyWindow(held, at: now)
      }
      return ActivityDocument.Row(metrics: metrics, residency: model.residency, byteCount: model.byteCount)
    }
    let document = ActivityDocument(
      rows: rows, budget: budget, threadCount: residents.pool.threadCount, connectionCount: connectionCount,
      queuedCount: scheduler.queuedCount, rung: pressure.rung.name, decision: power?.decision,
      startedMilliseconds: startedMilliseconds)
    return try hold(document.jsonBytesMax) { document.write(to: &$0) }
  }
}
