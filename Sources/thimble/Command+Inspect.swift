import Memory
import ModelFile
import Protocols
import Runtime
import System
import Tensors

extension Command {
  static let inspect = Command(
    name: "inspect", positionals: "MODEL", summary: "show a model's inputs, outputs, operators and sizes", details: "",
    options: Engine.budgetOptions + [Option("json", nil, "say it as JSON")],
    run: runInspect)

  private static func runInspect(_ arguments: Arguments) throws(CommandError) {
    let path = try arguments.onlyPositional("model")
    let budget = try Engine.budget(arguments)
    let program = try Engine.reserveProgram(budget)
    if isTable(path) { return try inspectTable(path, budget, isJSON: arguments.has("json")) }
    let file = try ModelOpening.open(path, budget: budget)
    let memory = try reserveText(of: file, budget)
    let plan = MemoryPlan.full(file, threadCount: 1)
    if arguments.has("json") { printJSON(file, plan) } else { printText(file, plan) }
    _ = consume memory
    _ = program
  }

  /// The graph, and what is said of it: its names with every byte escaped, in a buffer that grows to twice that.
  private static func reserveText(
    of file: borrowing ModelFile, _ budget: MemoryBudget
  ) throws(CommandError) -> MemoryBudget.Reservation {
    do { return try budget.reserve(5 * file.graphByteCount, for: .metadata) } catch {
      throw .failure("\(file.path): \(error.message)")
    }
  }

  private static func printText(_ file: borrowing ModelFile, _ plan: MemoryPlan) {
    let graph = file.graph
    Console.line("\(graph.name): \(ByteCount.text(file.byteCount)), \(graph.operators.count) operators")
    for input in graph.inputs { Console.line("  input   \(describe(graph.tensors[input]))") }
    for output in graph.outputs { Console.line("  output  \(describe(graph.tensors[output]))") }
    Console.line(
      "  memory  \(ByteCount.text(plan.peakByteCount)): weights \(ByteCount.text(plan.costs.residentByteCount)) decoded"
        + " and \(ByteCount.text(plan.costs.inPlaceByteCount)) in place,"
        + " activations \(ByteCount.text(plan.plan.activationByteCount))"
    )
    printPlans(file)
    Console.line("")
    Console.line("     operator                 output              multiply-adds     weights      stored")
    var total = 0.0
    for (index, step) in graph.operators.enumerated() {
      let work = step.operation.multiplyAdds
      total += Double(work)
      let blob = step.operation.weights.map { graph.blobs[$0] }
      let stored = blob.map { $0.tiles.reduce(0) { $0 + $1.storedByteCount } }
      Console.line(
        TextColumn.right("\(index)", 4) + " " + TextColumn.left(step.name, 24) + " "
          + TextColumn.left(graph.tensors[step.output].shape.description, 18)
          + TextColumn.right(work > 0 ? "\(work)" : "", 15)
          + TextColumn.right(blob.map { "\($0.byteCount)" } ?? "", 12)
          + TextColumn.right(stored.map { "\($0)" } ?? "", 12))
    }
    Console.line("     \(Console.fixed(total / 1e6, 2)) million multiply-adds")
  }

  /// The ways to run it, where there are several: operators that run stripe by stripe need less memory.
  private static func printPlans(_ file: borrowing ModelFile) {
    let plans = Plan.candidates(file.graph, threadCount: 1)
    if plans.count == 1 { return }
    for (number, plan) in plans.enumerated() {
      var text = "  plan \(number)  activations \(ByteCount.text(plan.activationByteCount))"
      if !plan.chains.isEmpty {
        text += ", \(Console.fixed(plan.overheadNanoseconds / 1e6, 2)) ms more, stripe by stripe:"
        for chain in plan.chains { text += " \(chain.operators.lowerBound)–\(chain.operators.upperBound - 1)" }
      }
      Console.line(text)
    }
  }

  private static func describe(_ tensor: TensorInfo) -> String {
    var text = "\(tensor.name) \(tensor.elementType.name) \(tensor.shape.description)"
    if let quantization = tensor.quantization {
      text += "  real = \(quantization.scale) · (stored − \(quantization.zeroPoint))"
    }
    return text
  }

  private static func printJSON(_ file: borrowing ModelFile, _ plan: MemoryPlan) {
    let graph = file.graph
    var json = JSONWriter()
    func tensors(_ name: String, _ indices: [Int]) {
      json.key(name)
      json.beginArray()
      for index in indices {
        let tensor = graph.tensors[index]
        json.beginObject()
        json.member("name", tensor.name)
        json.member("datatype", tensor.elementType.name)
        json.member("shape", tensor.shape.dimensions)
        if let quantization = tensor.quantization {
          json.key("scale")
          json.float(quantization.scale)
          json.member("zero_point", Int(quantization.zeroPoint))
        }
        json.endObject()
      }
      json.endArray()
    }
    json.beginObject()
    json.member("name", graph.name)
    json.member("bytes", file.byteCount)
    tensors("inputs", graph.inputs)
    tensors("outputs", graph.outputs)
    json.member("activation_bytes", plan.plan.activationByteCount)
    json.member("resident_weight_bytes", plan.costs.residentByteCount)
    json.member("in_place_weight_bytes", plan.costs.inPlaceByteCount)
    json.member("peak_bytes", plan.peakByteCount)
    json.key("operators")
    json.beginArray()
    for step in graph.operators {
      json.beginObject()
      json.member("name", step.name)
      json.member("shape", graph.tensors[step.output].shape.dimensions)
      json.member("multiply_adds", step.operation.multiplyAdds)
      if let weights = step.operation.weights {
        json.member("weight_bytes", graph.blobs[weights].byteCount)
        json.member("stored_weight_bytes", graph.blobs[weights].tiles.reduce(0) { $0 + $1.storedByteCount })
      }
      json.endObject()
    }
    json.endArray()
    json.endObject()
    Console.line(String(decoding: json.bytes, as: UTF8.self))
  }
}
