import Memory
import Protocols
import Runtime
import Serving
import System

extension Command {
  static let profile = Command(
    name: "profile", positionals: "MODEL", summary: "show where a model's time goes, operator by operator",
    details: """
      Times are medians over the rounds and minima, in microseconds, of pseudo-random inputs; `first` is the first run after loading.
      An operator's time ends with its last thread's share; `idle` is what the threads wait of it together. GB/s counts operands,
      output and weights once each. `roof` is the least time that the device could take over the time taken: the multiplications
      at the rate that the multiplication kernel reaches in its best case, or the bytes at the rate of copying through 4 MiB of
      memory (less under a small budget), whichever takes longer; both are measured at start, on as many threads. It can be over
      100 % where data stay in a nearer cache. Operators marked ┃ run together, stripe by stripe.
      """,
    options: Engine.options + [
      Engine.planOption,
      Option("rounds", "N", "timed runs (default 50, after 5 that are not)"),
      Option("sort", "ORDER", "run (the default) or time"),
      Option("html", "FILE", "write a page with pictures, which any browser shows, instead of saying it"),
      Option("json", nil, "say the result as JSON"),
    ],
    run: runProfile)

  private static func runProfile(_ arguments: Arguments) throws(CommandError) {
    let path = try arguments.onlyPositional("model")
    let rounds = try arguments.integer("rounds", in: 1...10_000) ?? 50
    let order = arguments.text("sort") ?? "run"
    guard order == "run" || order == "time" else { throw .usage("--sort takes run or time, not \(order)") }
    let engine = try Engine(arguments)
    // Before the model takes what the budget has.
    let roofline = Roofline.measured(engine.kernels, pool: engine.pool, budget: engine.budget)
    let session = try engine.load(path, plan: try arguments.integer("plan", in: 0...100))
    let profile = try ModelProfile(
      session, path: path, isa: engine.kernels.name, roofline: roofline, roundCount: rounds)
    let table = ProfileTable(profile, sortsByTime: order == "time")
    if let file = arguments.text("html") { try ReportFile.write(ProfilePage(table).bytes, to: file) }
    if arguments.has("json") {
      Console.line(String(decoding: json(profile, engine), as: UTF8.self))
    } else if !arguments.has("html") {
      table.printText()
    }
  }

  private static func json(_ profile: ModelProfile, _ engine: Engine) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.member("model", profile.path)
    json.member("isa", profile.isa)
    json.member("threads", profile.threadCount)
    json.member("rounds", profile.recorded.count)
    json.member("memory_budget_bytes", engine.budget.limitByteCount)
    if let roofline = profile.roofline {
      json.key("roofline")
      json.beginObject()
      json.member("gmac_per_s", roofline.multiplyAddsPerNanosecond)
      json.member("gb_per_s", roofline.bytesPerNanosecond)
      json.member("buffer_bytes", roofline.bufferByteCount)
      json.endObject()
    }
    json.member("p50_ns", Int(profile.plain.median))
    json.member("min_ns", Int(profile.plain.least))
    json.member("recorded_p50_ns", Int(profile.recorded.median))
    json.member("recorded_min_ns", Int(profile.recorded.least))
    json.member("first_ns", Int(profile.firstNanoseconds))
    profile.noise.write(to: &json)
    json.key("operators")
    json.beginArray()
    for entry in profile.entries { write(entry, profile, to: &json) }
    json.endArray()
    json.key("kinds")
    json.beginArray()
    for kind in profile.kinds {
      json.beginObject()
      json.member("name", kind.name)
      json.member("count", kind.count)
      json.member("ns", Int(kind.nanoseconds))
      json.member("multiply_adds", kind.multiplyAdds)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return json.bytes
  }

  private static func write(_ entry: ModelProfile.Entry, _ profile: ModelProfile, to json: inout JSONWriter) {
    json.beginObject()
    OperatorDocument.write(entry.summary, entry.weights, to: &json)
    json.member("ns", Int(entry.median))
    json.member("min_ns", Int(entry.least))
    json.member("first_ns", Int(entry.first))
    json.member("busy_ns", Int(entry.busy))
    json.member("share", entry.median / max(1, profile.totalNanoseconds))
    json.member("gmac_per_s", entry.multiplyAddRate)
    json.member("gb_per_s", entry.byteRate)
    if let roofline = profile.roofline { json.member("roofline_share", entry.share(of: roofline)) }
    json.endObject()
  }
}
