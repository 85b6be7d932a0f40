import Memory
import Protocols
import Runtime
import System

/// Runs a model under several budgets, each in a process of its own, and compares what is measured with what was predicted.
struct PlanVerification {
  let path: String
  let threadCount: Int
  let kernels: Kernels
  let isJSON: Bool

  /// What `thimble bench --report` wrote.
  private struct Measurement {
    var peakByteCount = 0
    var minMilliseconds = 0.0
    var outputs = ""

    init(parsing text: [UInt8]) throws(ProtocolError) {
      var (peak, milliseconds, outputs) = (0, 0.0, "")
      try text.withUnsafeBufferPointer { (text) throws(ProtocolError) in
        var reader = JSONReader(UnsafeRawBufferPointer(text))
        try reader.beginObject()
        while let key = try reader.nextKey() {
          switch key {
          case "peak_rss_bytes": peak = Int(try reader.readInteger())
          case "min_ms":
            milliseconds = try reader.readNumber().double
          case "output_xxh64": outputs = try reader.readString()
          default: _ = try reader.skipValue()
          }
        }
      }
      (peakByteCount, minMilliseconds, self.outputs) = (peak, milliseconds, outputs)
    }
  }

  /// Returns whether every promise was kept: the budget, the predicted peak, the same bytes.
  func run(_ forecast: borrowing MemoryForecast, _ wanted: [Int]?) throws(CommandError) -> Bool {
    let (least, full) = (forecast.leastBudgetByteCount, forecast.fullBudgetByteCount)
    let budgets = wanted ?? [least, least + (full - least) / 2, max(full, least * 3 / 2)]
    let reference = try measure(full + (16 << 20))
    var isKept = true
    if !isJSON {
      Console.line("       budget  predicted   measured          slowdown predicted, measured")
    }
    var json = JSONWriter()
    json.beginArray()
    for budget in budgets {
      guard let entry = forecast.entry(budgetByteCount: budget) else {
        throw .failure("\(path): \(ByteCount.text(budget)) is below the least budget, \(ByteCount.text(least))")
      }
      let measurement = try measure(budget)
      let ratio = Double(measurement.peakByteCount) / Double(entry.peakByteCount)
      let slowdown = measurement.minMilliseconds / max(1e-6, reference.minMilliseconds)
      var faults: [String] = []
      if measurement.peakByteCount > budget { faults.append("over the budget") }
      if measurement.peakByteCount > entry.peakByteCount { faults.append("over the prediction") }
      if measurement.outputs != reference.outputs { faults.append("other bytes") }
      isKept = isKept && faults.isEmpty
      let verdict = faults.isEmpty ? "kept" : faults.reduce("") { $0.isEmpty ? $1 : $0 + ", " + $1 }
      json.beginObject()
      json.member("memory_budget_bytes", budget)
      json.member("predicted_peak_bytes", entry.peakByteCount)
      json.member("peak_rss_bytes", measurement.peakByteCount)
      json.key("predicted_slowdown")
      json.double(entry.slowdown)
      json.key("slowdown")
      json.double(slowdown)
      json.member("verdict", verdict)
      json.endObject()
      if isJSON { continue }
      Console.line(
        TextColumn.right(ByteCount.text(budget), 13) + TextColumn.right(ByteCount.text(entry.peakByteCount), 11)
          + TextColumn.right(ByteCount.text(measurement.peakByteCount), 11)
          + TextColumn.right(Console.fixed(100 * ratio, 1) + " %", 9)
          + TextColumn.right(Console.fixed(entry.slowdown, 2) + " ×", 9)
          + TextColumn.right(Console.fixed(slowdown, 2) + " ×", 9) + "  " + verdict)
    }
    json.endArray()
    if isJSON { Console.line(String(decoding: json.bytes, as: UTF8.self)) }
    return isKept
  }

  private func measure(_ budget: Int) throws(CommandError) -> Measurement {
    let report = (Process.environment("TMPDIR") ?? "/tmp") + "/thimble-plan-\(Process.identifier)"
    let words = [
      "bench", path, "--threads", "\(threadCount)", "--isa", kernels.name, "--memory-budget", "\(budget)", "--runs",
      "20", "--report", report,
    ]
    let status: Int32
    let text: [UInt8]
    do throws(SystemError) {
      status = try ChildProcess(path: "/proc/self/exe", arguments: words).wait()
      text = status == 0 ? try File.bytes(of: report, limit: 1 << 16) : []
      try? FileSystem.remove(report)
    } catch {
      throw .failure(error.message)
    }
    guard status == 0 else { throw .failure("\(path): refused to run under \(ByteCount.text(budget)), see above") }
    do { return try Measurement(parsing: text) } catch { throw .failure(error.message) }
  }
}
