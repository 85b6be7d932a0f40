import Memory
import Protocols
import System
import ThimbleClient

/// `thimble top`: what a daemon has done between two looks.
struct ActivityPage {
  let before: ClientActivity
  let now: ClientActivity

  private static let barWidth = 40
  private static let titles = [
    "model", "version", "state", "requests/s", "p50 ms", "p99 ms", "waiting", "errors", "memory",
  ]

  private func rate(_ model: ClientActivity.Model) -> Double {
    model.requestsPerSecond(since: before, until: now) ?? 0
  }

  private var rate: Double { now.models.reduce(0) { $0 + rate($1) } }

  // MARK: For people

  var lines: [String] {
    var lines = [
      "up \(ActivityPage.duration(now.uptimeSeconds)), \(now.connectionCount) clients, "
        + "\(Console.fixed(rate, 1)) requests/s, \(now.queuedCount) waiting",
      "memory   \(bar) \(ByteCount.text(now.reservedByteCount)) of \(ByteCount.text(now.budgetByteCount)), "
        + "peak \(ByteCount.text(now.peakResidentByteCount))",
    ]
    if now.rung != "none" { lines.append("pressure " + now.rung) }
    if let governor = now.governor {
      lines.append(
        "threads  \(min(governor.threadCount, now.threadCount)) of \(now.threadCount), \(governor.dutyPercent) % of the time, "
          + "\(governor.state), profile \(governor.profile): \(governor.reason)")
    } else {
      lines.append("threads  \(now.threadCount)")
    }
    lines.append("")
    guard !now.models.isEmpty else { return lines + ["no models are loaded"] }
    let rows = [ActivityPage.titles] + now.models.map { cells($0) }
    let widths = rows[0].indices.map { column in rows.reduce(0) { max($0, $1[column].count) } }
    for row in rows {
      var line = ""
      for (column, cell) in row.enumerated() {
        line += column < 3 ? TextColumn.left(cell, widths[column] + 2) : TextColumn.right(cell, widths[column] + 2)
      }
      lines.append(line)
    }
    return lines
  }

  private func cells(_ model: ClientActivity.Model) -> [String] {
    func milliseconds(_ nanoseconds: Int?) -> String {
      nanoseconds.map { Console.fixed(Double($0) / 1e6, $0 < 10_000_000 ? 3 : 1) } ?? "-"
    }
    return [
      model.name, model.version, model.state, Console.fixed(rate(model), 1), milliseconds(model.medianNanoseconds),
      milliseconds(model.p99Nanoseconds), "\(model.pendingCount)", "\(model.failureCount)",
      ByteCount.text(model.byteCount),
    ]
  }

  private var bar: String {
    let share = Double(max(0, now.reservedByteCount)) / Double(max(1, now.budgetByteCount))
    let filled = Int((min(1, share) * Double(ActivityPage.barWidth)).rounded())
    return "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: ActivityPage.barWidth - filled)
      + "]"
  }

  private static func duration(_ seconds: Int) -> String {
    seconds < 120 ? "\(seconds) s" : seconds < 7200 ? "\(seconds / 60) min" : "\(seconds / 3600) h"
  }

  // MARK: For programs

  var json: String {
    var json = JSONWriter()
    json.beginObject()
    json.member("uptime_seconds", now.uptimeSeconds)
    json.member("connections", now.connectionCount)
    json.member("queued_requests", now.queuedCount)
    json.member("requests_per_second", rate)
    json.member("budget_bytes", now.budgetByteCount)
    json.member("reserved_bytes", now.reservedByteCount)
    json.member("peak_resident_bytes", now.peakResidentByteCount)
    json.member("pressure", now.rung)
    json.member("threads", now.threadCount)
    if let governor = now.governor {
      json.key("governor")
      json.beginObject()
      json.member("state", governor.state)
      json.member("threads", min(governor.threadCount, now.threadCount))
      json.member("duty_percent", governor.dutyPercent)
      json.member("profile", governor.profile)
      json.member("reason", governor.reason)
      json.endObject()
    }
    json.key("models")
    json.beginArray()
    for model in now.models { write(model, to: &json) }
    json.endArray()
    json.endObject()
    return String(decoding: json.bytes, as: UTF8.self)
  }

  @inline(never)
  private func write(_ model: ClientActivity.Model, to json: inout JSONWriter) {
    json.beginObject()
    json.member("name", model.name)
    json.member("version", model.version)
    json.member("state", model.state)
    json.member("requests_per_second", rate(model))
    if let median = model.medianNanoseconds { json.member("p50_ms", Double(median) / 1e6) }
    if let p99 = model.p99Nanoseconds { json.member("p99_ms", Double(p99) / 1e6) }
    json.member("pending_requests", model.pendingCount)
    json.member("requests", model.successCount + model.failureCount)
    json.member("failures", model.failureCount)
    json.member("bytes", model.byteCount)
    json.endObject()
  }
}
