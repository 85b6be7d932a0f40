import Devices
import Power
import Protocols
import System

/// What would be decided from a trace: a table, a plot in the terminal, a page.
struct PowerReplay {
  private static let columnCount = 72
  private static let rowCount = 8

  private let arguments: Arguments
  private let target: Target?

  init(_ arguments: Arguments) throws(CommandError) {
    self.arguments = arguments
    // Another machine's readings: only a target that is named counts.
    target = arguments.has("target") ? try PowerSource.target(arguments) : nil
  }

  func run(_ path: String) throws(CommandError) {
    var timeline = PowerTimeline()
    var decider = try PowerDecider(arguments, target: target)
    let cutOffCount: Int
    do throws(PowerTraceError) {
      var reader = try PowerTraceReader(path: path)
      while var sample = try reader.next() {
        if sample.beginsRecording, timeline.sampleCount > 0 { decider.restart() }
        target?.power.complete(&sample.readings)
        let decision = decider.decide(sample.readings, nowNanoseconds: Int64(sample.milliseconds) * 1_000_000)
        timeline.add(sample.readings, decision, milliseconds: sample.milliseconds)
      }
      cutOffCount = reader.cutOffCount
    } catch {
      throw .failure(error.message)
    }
    if let file = arguments.text("html") { try ReportFile.write(PowerPage(timeline, path: path).bytes, to: file) }
    if arguments.has("json") { return Console.line(String(decoding: json(timeline), as: UTF8.self)) }
    printTable(timeline)
    Console.line("")
    for line in PowerReplay.plot(timeline) { Console.line(line) }
    if cutOffCount > 0 { Console.error("thimble power: \(path): left out \(cutOffCount) cut-off lines") }
  }

  private func printTable(_ timeline: PowerTimeline) {
    // The columns but the last two, which are long.
    let widths = [10, 10, 10, 13, 14]
    func printRow(_ cells: [String]) {
      var line = ""
      for column in widths.indices {
        line +=
          column < 2
          ? TextColumn.right(cells[column], widths[column]) + "  " : TextColumn.left(cells[column], widths[column])
      }
      Console.line(line + TextColumn.left(cells[5], 52) + "  " + cells[6])
    }
    printRow(PowerTimeline.titles)
    for change in timeline.changes { printRow(PowerTimeline.cells(change)) }
    let more = timeline.changeCount - timeline.changes.count
    if more > 0 { Console.line("  and \(more) more changes") }
    Console.line("")
    Console.line(timeline.summary)
  }

  /// Heat in rows, below it threads and states, a column for each share of the time.
  static func plot(_ timeline: PowerTimeline) -> [String] {
    let points = timeline.points
    var columns = [PowerTimeline.Point?](repeating: nil, count: min(columnCount, points.count))
    for point in points {
      let column = min(columns.count - 1, point.milliseconds * columns.count / max(1, timeline.milliseconds + 1))
      columns[column] = columns[column]?.merged(with: point) ?? point
    }
    // Where nothing was said it stays as it was.
    for index in columns.indices.dropFirst() where columns[index] == nil { columns[index] = columns[index - 1] }
    var lines: [String] = []
    let temperatures = points.compactMap { $0.temperature }
    if let least = temperatures.min(), let most = temperatures.max() {
      let step = max(1, (most - least + rowCount - 1) / rowCount)
      for row in (0..<rowCount).reversed() {
        let floor = least + row * step
        var line = TextColumn.right(PowerTable.degrees(floor), 9) + " "
        for point in columns {
          line += point?.temperature.map { $0 >= floor } == true ? "▇" : " "
        }
        lines.append(line)
      }
    }
    var threads = TextColumn.right("threads", 9) + " "
    var states = TextColumn.right("state", 9) + " "
    for point in columns {
      threads += point.map { $0.threadCount < 10 ? "\($0.threadCount)" : "+" } ?? " "
      states += point.map { ["·", "f", "S", "C"][$0.state.rawValue] } ?? " "
    }
    let most = points.reduce(0) { max($0, $1.threadCount) }
    lines.append(threads + (most > 9 ? "  (+: more than 9, at most \(most))" : ""))
    lines.append(states + "  (f fair, S serious, C critical)")
    return lines
  }

  private func json(_ timeline: PowerTimeline) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.member("samples", timeline.sampleCount)
    json.member("milliseconds", timeline.milliseconds)
    json.member("changes", timeline.changeCount - 1)
    json.key("state_milliseconds")
    json.beginObject()
    for state in ThermalState.allCases { json.member(state.name, timeline.stateMilliseconds[state.rawValue]) }
    json.endObject()
    json.key("decisions")
    json.beginArray()
    for change in timeline.changes {
      json.beginObject()
      json.member("time_ms", change.milliseconds)
      change.decision.writeMembers(to: &json)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return json.bytes
  }
}
