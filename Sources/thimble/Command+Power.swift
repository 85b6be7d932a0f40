import Devices
import Power
import Protocols
import System

extension Command {
  static let power = Command(
    name: "power", positionals: "", summary: "say what the sensors say of heat, processors and power",
    details: """
      Every sensor that this machine has: thermal zones and what the kernel cools with, processors by kind with what they are
      allowed, batteries and mains, what the firmware says. --record appends readings to a file, a line of JSON each.
      """,
    options: PowerSource.options + [
      Option("watch", nil, "go on, once a second; where it is no terminal, after each change"),
      Option("record", "FILE", "append the readings to a trace, once a second, until the program is ended"),
      Option("seconds", "N", "end after so long"),
      Option("json", nil, "say it as JSON"),
    ],
    run: runPower)

  private static func runPower(_ arguments: Arguments) throws(CommandError) {
    guard arguments.positionals.isEmpty else {
      throw .usage("power takes options only; `thimble power --help` says more")
    }
    let seconds = try arguments.integer("seconds", in: 1...1_000_000)
    let source = try PowerSource(arguments)
    if let path = arguments.text("record") { return try record(source, to: path, seconds: seconds) }
    if arguments.has("watch") { return try watch(source, seconds: seconds) }
    let readings = source.read()
    if arguments.has("json") {
      Console.line(String(decoding: json(source, readings), as: UTF8.self))
    } else {
      for line in lines(source, readings) { Console.line(line) }
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

  private static func watch(_ source: PowerSource, seconds: Int?) throws(CommandError) {
    let start = Clock.nowNanoseconds
    let redraws = Console.outputIsTerminal
    var last: [String] = []
    repeat {
      let lines = lines(source, source.read())
      // Up to where it began, and nothing below.
      var text = redraws && !last.isEmpty ? "\u{1B}[\(last.count)A\u{1B}[J" : ""
      for line in lines { text += line + "\n" }
      if redraws || lines != last { Console.write(text) }
      last = lines
    } while try goesOn(source, seconds, since: start)
  }

  private static func lines(_ source: PowerSource, _ readings: PowerReadings) -> [String] {
    PowerTable.lines(readings) + (source.target.map { ["target      " + $0.name] } ?? [])
  }

  private static func json(_ source: PowerSource, _ readings: PowerReadings) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    if let target = source.target { json.member("target", target.name) }
    json.key("sensors")
    readings.write(to: &json)
    json.member("remarks", source.notices.remarks)
    json.endObject()
    return json.bytes
  }
}
