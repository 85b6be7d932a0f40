import Devices
import Power
import Protocols
import System

extension Command {
  static let power = Command(
    name: "power", positionals: "", summary: "say what the sensors say, and what is decided from it",
    details: """
      Every sensor that this machine has: thermal zones and what the kernel cools with, processors by kind with what they are
      allowed, batteries and mains, what the firmware says; then the state, the decision and the reason. --record appends
      readings to a file, a line of JSON each; --replay says what would be decided from such a file, over time.
      """,
    options: PowerSource.options + PowerDecider.options + [
      Option("watch", nil, "go on, once a second; where it is no terminal, a line for each change"),
      Option("record", "FILE", "append the readings to a trace, once a second, until the program is ended"),
      Option("seconds", "N", "end after so long"),
      Option("replay", "FILE", "decide from a trace instead of from sensors"),
      Option("html", "FILE", "with --replay: also write a page with a plot, which any browser shows"),
      Option("json", nil, "say it as JSON"),
    ],
    run: runPower)

  private static func runPower(_ arguments: Arguments) throws(CommandError) {
    guard arguments.positionals.isEmpty else {
      throw .usage("power takes options only; `thimble power --help` says more")
    }
    if let path = arguments.text("replay") {
      for other in ["record", "watch", "root"] where arguments.has(other) {
        throw .usage("--replay reads a file: it does not go with --\(other)")
      }
      return try PowerReplay(arguments).run(path)
    }
    if arguments.has("html") { throw .usage("--html goes with --replay FILE") }
    let seconds = try arguments.integer("seconds", in: 1...1_000_000)
    let source = try PowerSource(arguments)
    if let path = arguments.text("record") { return try record(source, to: path, seconds: seconds) }
    var decider = try PowerDecider(arguments, target: source.target)
    if arguments.has("watch") { return try watch(source, &decider, seconds: seconds) }
    let readings = source.read()
    let decision = decider.decide(readings, nowNanoseconds: Clock.nowNanoseconds)
    if arguments.has("json") {
      Console.line(String(decoding: json(source, readings, decision), as: UTF8.self))
    } else {
      for line in lines(source, readings, decision) { Console.line(line) }
      for remark in source.notices.remarks { Console.error("thimble power: " + remark) }
    }
  }

  private static func record(_ source: PowerSource, to path: String, seconds: Int?) throws(CommandError) {
    let start = Clock.nowNanoseconds
    let writer = try tracing { () throws(PowerTraceError) in try PowerTraceWriter(appendingTo: path) }
    repeat {
      let readings = source.read()
      try tracing { () throws(PowerTraceError) in
        try writer.append(readings, nowNanoseconds: Clock.nowNanoseconds)
      }
    } while try goesOn(source, seconds, since: start)
  }

  private static func tracing<Result>(_ body: () throws(PowerTraceError) -> Result) throws(CommandError) -> Result {
    do { return try body() } catch { throw .failure(error.message) }
  }

  /// Waits for what is next; false at the end.
  private static func goesOn(
    _ source: PowerSource, _ seconds: Int?, since start: Int64
  ) throws(CommandError) -> Bool {
    if let seconds, Clock.nowNanoseconds - start >= Int64(seconds) * 1_000_000_000 { return false }
    return try source.wait()
  }

  private static func watch(_ source: PowerSource, _ decider: inout PowerDecider, seconds: Int?) throws(CommandError) {
    let start = Clock.nowNanoseconds
    let redraws = Console.outputIsTerminal
    var lineCount = 0
    var last: PowerDecision?
    repeat {
      let now = Clock.nowNanoseconds
      let readings = source.read()
      let decision = decider.decide(readings, nowNanoseconds: now)
      if redraws {
        // Up to where it began, and nothing below.
        var text = lineCount > 0 ? "\u{1B}[\(lineCount)A\u{1B}[J" : ""
        let lines = lines(source, readings, decision)
        for line in lines { text += line + "\n" }
        lineCount = lines.count
        Console.write(text)
      } else if last.map({ PowerTimeline.isChange($0, decision) }) ?? true {
        Console.line(Console.fixed(Double(now - start) / 1e9, 1) + " s  " + PowerTimeline.text(decision))
        last = decision
      }
    } while try goesOn(source, seconds, since: start)
  }

  private static func lines(_ source: PowerSource, _ readings: PowerReadings, _ decision: PowerDecision) -> [String] {
    var lines = PowerTable.lines(readings)
    lines.append("")
    if let target = source.target { lines.append("target      " + target.name) }
    lines.append("profile     " + decision.profile)
    lines.append("state       " + decision.state.name + " on " + decision.source.name)
    lines.append("decision    " + PowerTimeline.effort(decision))
    lines.append("reason      " + decision.reason)
    return lines
  }

  private static func json(_ source: PowerSource, _ readings: PowerReadings, _ decision: PowerDecision) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    if let target = source.target { json.member("target", target.name) }
    json.key("sensors")
    readings.write(to: &json)
    json.key("decision")
    json.beginObject()
    decision.writeMembers(to: &json)
    json.endObject()
    json.member("remarks", source.notices.remarks)
    json.endObject()
    return json.bytes
  }
}
