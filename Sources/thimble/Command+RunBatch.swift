import Memory
import ModelFile
import Protocols
import Runtime
import System
import Tensors
import ThimbleClient

/// `thimble run --jsonl`: many requests from a file.
extension Command {
  static let batchOptions = [
    Option("jsonl", "FILE", "requests, one a line: Open Inference's JSON, or the data of the only input as an array"),
    Option("output", "FILE", "their answers, one a line; lines that are there already are not asked again"),
    Option("socket", "PATH", "have a daemon answer them: MODEL is then a model's name there"),
    Option("version", "V", "which version of the daemon's (default: the highest that is loaded)"),
    Option("priority", "N", "with --socket: of requests that say none (default 3: after all others)"),
    Option("in-flight", "N", "with --socket: requests at once (default 4)"),
  ]

  static func runBatch(_ arguments: Arguments, input: String) throws(CommandError) {
    let model = try arguments.onlyPositional("model")
    let output = try arguments.required("output")
    for option in ["input", "image", "output-dir", "labels"] where arguments.has(option) {
      throw .usage("--\(option) and --jsonl exclude each other")
    }
    let job: BatchJob
    if let socket = arguments.text("socket") {
      job = try askDaemon(arguments, model, socket, input, output)
    } else {
      job = try askHere(arguments, model, input, output)
    }
    try job.finish()
    if arguments.has("json") {
      var json = JSONWriter()
      json.beginObject()
      json.member("lines", job.skippedCount + job.answeredCount)
      json.member("skipped", job.skippedCount)
      json.member("answered", job.answeredCount - job.failureCount)
      json.member("failed", job.failureCount)
      json.member("seconds", job.seconds)
      json.endObject()
      Console.line(String(decoding: json.bytes, as: UTF8.self))
    } else {
      Console.line(
        "\(job.answeredCount) lines answered in \(Console.fixed(job.seconds, 1)) s"
          + (job.skippedCount > 0 ? ", \(job.skippedCount) were there already" : ""))
    }
    guard job.failureCount == 0 else {
      throw .failure("\(job.failureCount) of \(job.answeredCount) lines failed: \(output) says why, at each of them")
    }
  }

  // MARK: A daemon

  private static func askDaemon(
    _ arguments: Arguments, _ model: String, _ socket: String, _ input: String, _ output: String
  ) throws(CommandError) -> BatchJob {
    let version = arguments.text("version")
    let priority = try arguments.integer("priority", in: 0...32) ?? 3
    let count = try arguments.integer("in-flight", in: 1...64) ?? 4
    let metadata: ClientModel
    do { metadata = try ThimbleClient(socketPath: socket).modelMetadata(model, version: version) } catch {
      throw .failure(error.message)
    }
    let inputs = metadata.inputs.map {
      TensorMetadata(name: $0.name, elementType: $0.elementType, dimensions: $0.shape.dimensions)
    }
    let job = try BatchJob(input: input, output: output)
    var threads: [Thread] = []
    for _ in 0..<count {
      let thread = try? Thread(stackByteCount: 1 << 20) {
        let client = ThimbleClient(socketPath: socket)
        job.work { (line) throws(CommandError) in
          let text: [UInt8]
          do throws(ProtocolError) { text = try BatchRequest.text(line, inputs: inputs, priority: priority) } catch {
            return BatchAnswer(error: error.message)
          }
          return try answer(client, model, version, text)
        }
      }
      if let thread { threads.append(thread) }
    }
    guard !threads.isEmpty else { throw .failure("no thread can be started") }
    for thread in threads { thread.join() }
    return job
  }

  /// Asks again where the daemon is busy. Errors: it is gone.
  private static func answer(
    _ client: ThimbleClient, _ model: String, _ version: String?, _ text: [UInt8]
  ) throws(CommandError) -> BatchAnswer {
    let pause = Futex()
    while true {
      do throws(ClientError) {
        return BatchAnswer(try client.inferJSON(model, version: version, request: text))
      } catch {
        switch error {
        case .refused where error.isTransient: pause.wait(while: 0, timeoutNanoseconds: 200_000_000)
        case .refused(_, let message, _): return BatchAnswer(error: message)
        default: throw .failure(error.message)
        }
      }
    }
  }

  // MARK: This process

  private static func askHere(
    _ arguments: Arguments, _ path: String, _ input: String, _ output: String
  ) throws(CommandError) -> BatchJob {
    let engine = try Engine(arguments)
    let file = try ModelOpening.open(path, budget: engine.budget)
    let (lineByteCount, byteCount) = needs(of: file.graph)
    let memory: MemoryBudget.Reservation
    do { memory = try engine.budget.reserve(byteCount, for: .buffers) } catch { throw .failure(error.message) }
    let session = try engine.load(file, path)
    let inputs = session.inputs.map {
      TensorMetadata(name: $0.name, elementType: $0.elementType, dimensions: $0.shape.dimensions)
    }
    let job = try BatchJob(input: input, output: output, lineByteCountMax: lineByteCount)
    job.work { (line) throws(CommandError) in
      let answer: BatchAnswer
      do throws(ProtocolError) {
        answer = BatchAnswer(try answered(try BatchRequest.text(line, inputs: inputs, priority: 0), session, path))
      } catch {
        return BatchAnswer(error: error.message)
      }
      try ModelOpening.check(session, path)
      return answer
    }
    _ = consume memory
    return job
  }

  /// Bytes of a line at most, and of all that is held for one: its text, copies of it, the answer. A number takes up to 32.
  private static func needs(of graph: Graph) -> (lineByteCount: Int, byteCount: Int) {
    func textByteCount(_ tensors: [Int]) -> Int {
      tensors.reduce(64 << 10) {
        let (text, overflow) = graph.tensors[$1].shape.elementCount.multipliedReportingOverflow(by: 32)
        return overflow || text > Int.max / 1024 ? Int.max / 1024 : min(Int.max / 1024, $0 + text)
      }
    }
    let line = textByteCount(graph.inputs)
    return (line, 4 * line + 2 * textByteCount(graph.outputs))
  }

  private static func answered(_ text: [UInt8], _ session: Session, _ path: String) throws(ProtocolError) -> [UInt8] {
    try text.withUnsafeBufferPointer { (bytes) throws(ProtocolError) -> [UInt8] in
      let body = UnsafeRawBufferPointer(bytes)
      var request = try InferenceRequest(parsing: body)
      request.parameters.binaryDataOutput = false
      for (index, port) in session.inputs.enumerated() {
        guard let input = request.inputs.first(where: { $0.name == port.name }) else {
          throw .fieldMissing(field: port.name, owner: "inputs")
        }
        guard input.elementType == port.elementType, input.shape == port.shape else {
          throw .fieldInvalid(field: port.name, expected: "\(port.elementType.name) \(port.shape.description)")
        }
        if case .shared = input.payload {
          throw .fieldInvalid(field: "shared_memory_region", expected: "left out here")
        }
        try session.writeInput(index) { (bytes) throws(ProtocolError) in try input.decode(from: body, into: bytes) }
      }
      session.run()
      return try encoded(request, session, path)
    }
  }

  private static func encoded(
    _ request: InferenceRequest, _ session: Session, _ path: String
  ) throws(ProtocolError) -> [UInt8] {
    for output in request.outputs {
      guard session.outputs.contains(where: { $0.name == output.name }) else {
        throw .fieldInvalid(field: "outputs", expected: "names of the model's outputs")
      }
      guard output.shared == nil, output.binaryData != true else {
        throw .fieldInvalid(field: "outputs", expected: "neither shared memory nor binary data")
      }
    }
    let wanted =
      request.outputs.isEmpty
      ? Array(session.outputs.indices)
      : request.outputs.compactMap { output in session.outputs.firstIndex { $0.name == output.name } }
    let byteCount = wanted.reduce(0) { $0 + session.outputs[$1].byteCount }
    var memory = [UInt8](repeating: 0, count: max(1, byteCount))
    return try memory.withUnsafeMutableBufferPointer { (buffer) throws(ProtocolError) -> [UInt8] in
      let bytes = UnsafeMutableRawBufferPointer(buffer)
      var offset = 0
      var outputs: [InferenceOutput] = []
      for (place, index) in wanted.enumerated() {
        let port = session.outputs[index]
        let part = UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + port.byteCount])
        session.readOutput(index, into: part)
        offset += port.byteCount
        outputs.append(
          InferenceOutput(
            name: port.name, elementType: port.elementType, shape: port.shape, bytes: UnsafeRawBufferPointer(part),
            requested: request.outputs.isEmpty ? nil : request.outputs[place], parameters: request.parameters,
            hasBatchDimension: port.shape.rank >= 2))
      }
      let response = InferenceResponse(
        modelName: ModelOpening.baseName(path), modelVersion: "1", id: request.id, outputs: outputs)
      return try response.encoded().json
    }
  }
}
