import Memory
import Protocols
import System

extension BenchSweep.Result {
  func printText(_ heading: String) {
    Console.line(heading)
    Console.line("")
    let slowest = rows.reduce(1) { max($0, $1.times.median) }
    var table = [["threads", "budget", "p50 ms", "min", "p90", "p99", "spread", "load", "peak"]]
    for row in rows {
      var cells = ["\(row.threadCount)", ByteCount.text(row.budgetByteCount)]
      for time in [row.times.median, row.times.least, row.times.quantile(0.9), row.times.quantile(0.99)] {
        cells.append(Console.fixed(time / 1e6, 3))
      }
      cells.append(Console.fixed(100 * row.times.spread, 1) + "%")
      cells.append(Console.fixed(row.loadMilliseconds, 1))
      cells.append(ByteCount.text(row.peakByteCount))
      table.append(cells)
    }
    TextTable.print(table, isLeft: { _ in false }, bars: rows.map { $0.times.median / slowest })
    Console.line("")
    Console.line("  " + (areOutputsEqual ? "the same bytes from all" : "OTHER BYTES FROM SOME: please report it"))
    for row in rows where row.noise.isNoisy {
      let threads = "\(row.threadCount) thread\(row.threadCount == 1 ? "" : "s")"
      Console.line("  \(threads), \(ByteCount.text(row.budgetByteCount)): " + row.noise.text)
    }
    if !rows.contains(where: { $0.noise.isNoisy }) { Console.line("  the machine was quiet") }
  }

  func write(to json: inout JSONWriter) {
    json.member("same_outputs", areOutputsEqual)
    json.key("configurations")
    json.beginArray()
    for row in rows {
      json.beginObject()
      json.member("threads", row.threadCount)
      json.member("memory_budget_bytes", row.budgetByteCount)
      row.times.write(to: &json)
      json.member("load_ms", row.loadMilliseconds)
      json.member("first_ms", row.firstMilliseconds)
      json.member("peak_rss_bytes", row.peakByteCount)
      row.noise.write(to: &json)
      json.endObject()
    }
    json.endArray()
  }
}
