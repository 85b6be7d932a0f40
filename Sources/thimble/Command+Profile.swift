import Protocols
import Runtime
import System
import Tensors

extension Command {
  static let profile = Command(
    name: "profile", positionals: "MODEL", summary: "show where a model's time goes, operator by operator",
    details: "Times are medians over the runs; inputs are pseudo-random bytes.",
    options: Engine.options + [
      Engine.planOption,
      Option("runs", "N", "timed runs (default 50, after 5 that are not)"),
      Option("json", nil, "say the result as JSON"),
    ],
    run: runProfile)

  private static func runProfile(_ arguments: Arguments) throws(CommandError) {
    let path = try arguments.onlyPositional("model")
    let runs = try arguments.integer("runs", in: 1...10_000) ?? 50
    let engine = try Engine(arguments)
    let session = try engine.load(path, plan: try arguments.integer("plan", in: 0...100))
    RandomInputs.fill(session)
    for _ in 0..<min(5, runs) { session.run() }
    let medians = medianStepNanoseconds(session, runs: runs)
    try ModelOpening.check(session, path)
    if arguments.has("json") {
      printJSON(session, medians)
    } else {
      printBars(session, medians)
    }
  }

  private static func medianStepNanoseconds(_ session: Session, runs: Int) -> [Int64] {
    var samples = session.stepSummaries.map { _ in [Int64]() }
    var times = session.stepSummaries.map { _ in Int64(0) }
    for _ in 0..<runs {
      times.withUnsafeMutableBufferPointer { session.run(recording: $0) }
      for (index, time) in times.enumerated() { samples[index].append(time) }
    }
    return samples.map { $0.sorted()[$0.count / 2] }
  }

  private static func printBars(_ session: Session, _ medians: [Int64]) {
    let total = max(1, medians.reduce(0, +))
    let longest = max(1, medians.max() ?? 1)
    Console.line("     operator                 output               µs   share  GMAC/s")
    for (index, step) in session.stepSummaries.enumerated() {
      let time = medians[index]
      let rate = step.multiplyAdds > 0 ? Console.fixed(Double(step.multiplyAdds) / Double(max(1, time)), 1) : ""
      Console.line(
        TextColumn.right("\(index)", 4) + " " + TextColumn.left(step.name, 24) + " "
          + TextColumn.left(step.outputShape.description, 16)
          + TextColumn.right(Console.fixed(Double(time) / 1000, 1), 8)
          + TextColumn.right(Console.fixed(100 * Double(time) / Double(total), 1) + "%", 8) + TextColumn.right(rate, 8)
          + "  "
          + String(repeating: "▇", count: Int(24 * time / longest)))
    }
    Console.line("     " + Console.fixed(Double(total) / 1e6, 3) + " ms in all")
  }

  private static func printJSON(_ session: Session, _ medians: [Int64]) {
    var json = JSONWriter()
    json.beginObject()
    json.key("operators")
    json.beginArray()
    for (index, step) in session.stepSummaries.enumerated() {
      json.beginObject()
      json.member("name", step.name)
      json.member("shape", step.outputShape.dimensions)
      json.member("multiply_adds", step.multiplyAdds)
      json.member("ns", Int(medians[index]))
      json.endObject()
    }
    json.endArray()
    json.endObject()
    Console.line(String(decoding: json.bytes, as: UTF8.self))
  }
}
