import Memory
import ModelFile
import Protocols
import Runtime
import System
import Tensors

extension Command {
  static let run = Command(
    name: "run", positionals: "MODEL", summary: "run a model once on files",
    details: """
      Inputs are raw little-endian tensors (--input) or a picture (--image: 24-bit BMP, binary PPM), resized to the model's
      first input. Outputs are written as out0.bin, out1.bin, … with --output-dir; with an image or labels the most
      likely classes are printed.
      """,
    options: Engine.options + [
      Option("input", "[NAME=]FILE", "an input tensor's bytes; without NAME inputs are taken in order"),
      Option("image", "FILE", "a picture for the first input"),
      Option("resize", "FILTER", "nearest (default) or bilinear"),
      Option("labels", "FILE", "one label a line, by class index"),
      Option("output-dir", "DIR", "where to write out0.bin, …; it is created"),
      Option("json", nil, "say the result as JSON"),
    ],
    run: runOnce)

  private static func runOnce(_ arguments: Arguments) throws(CommandError) {
    let path = try arguments.onlyPositional("model")
    let engine = try Engine(arguments)
    var labels: Labels?
    if let path = arguments.text("labels") { labels = try Labels(path: path, budget: engine.budget) }
    let showsClasses = arguments.has("labels") || arguments.has("image")
    var picture: Picture?
    if let image = arguments.text("image") { picture = try Picture(path: image, budget: engine.budget) }
    let file = try ModelOpening.open(path, budget: engine.budget)
    let memory = try reserve(byteCount(ofOutputsOf: file.graph, showsClasses: showsClasses), engine.budget)
    let session = try engine.load(file, path)
    try fillInputs(of: session, arguments, picture)
    picture = nil
    let start = Clock.nowNanoseconds
    session.run()
    let microseconds = (Clock.nowNanoseconds - start) / 1000
    try ModelOpening.check(session, path)
    var outputs: [[UInt8]] = []
    for index in session.outputs.indices {
      var bytes = [UInt8](repeating: 0, count: session.outputs[index].byteCount)
      bytes.withUnsafeMutableBytes { session.readOutput(index, into: $0) }
      outputs.append(bytes)
    }
    let files = try write(outputs, to: arguments.text("output-dir"))
    if arguments.has("json") {
      printJSON(session, files, microseconds: microseconds, engine)
    } else {
      for (index, port) in session.outputs.enumerated() {
        Console.line(
          "\(port.name) \(port.elementType.name) \(port.shape)" + (files.isEmpty ? "" : " → \(files[index])"))
        if showsClasses {
          let lines = Classes.lines(of: outputs[index], port, count: 5, name: { labels?.name(of: $0) })
          try labels?.check()
          for line in lines { Console.line(line) }
        }
      }
      Console.line(
        "\(Console.fixed(Double(microseconds) / 1000, 3)) ms, peak memory \(ByteCount.text(Process.peakResidentByteCount))"
          + " (\(engine.kernels.name), \(engine.pool.threadCount) threads)")
    }
    _ = consume memory
  }

  private static func reserve(
    _ byteCount: Int, _ budget: MemoryBudget
  ) throws(CommandError) -> MemoryBudget.Reservation {
    do { return try budget.reserve(byteCount, for: .buffers) } catch { throw .failure(error.message) }
  }

  /// The outputs' bytes and, to rank one's classes, their scores and order.
  private static func byteCount(ofOutputsOf graph: Graph, showsClasses: Bool) -> Int {
    var (byteCount, largest) = (0, 0)
    for output in graph.outputs {
      byteCount += graph.tensors[output].byteCount
      largest = max(largest, graph.tensors[output].shape.elementCount)
    }
    return byteCount + (showsClasses ? 4 * MemoryLayout<Double>.stride * largest : 0)
  }

  private static func fillInputs(
    of session: Session, _ arguments: Arguments, _ picture: Picture?
  ) throws(CommandError) {
    var isFilled = session.inputs.map { _ in false }
    if let picture {
      try fill(session, image: picture, filter: try filter(arguments))
      isFilled[0] = true
    }
    for input in arguments.all("input") {
      let (index, path) = try place(of: input, session, isFilled)
      guard !isFilled[index] else { throw .usage("input \(session.inputs[index].name) is given twice") }
      try fill(session, index, path: path)
      isFilled[index] = true
    }
    if let missing = isFilled.firstIndex(of: false) {
      let port = session.inputs[missing]
      throw .usage(
        "input \(port.name) is missing: give --input \(port.name)=FILE with \(port.byteCount) bytes (\(port.elementType.name) \(port.shape)), or --image FILE"
      )
    }
  }

  /// Which input `NAME=FILE` or `FILE` means, and the file.
  private static func place(
    of input: String, _ session: Session, _ isFilled: [Bool]
  ) throws(CommandError) -> (Int, String) {
    let bytes = Array(input.utf8)
    for (index, port) in session.inputs.enumerated() where bytes.starts(with: (port.name + "=").utf8) {
      return (index, String(decoding: bytes[(port.name.utf8.count + 1)...], as: UTF8.self))
    }
    guard let next = isFilled.firstIndex(of: false) else {
      throw .usage("the model has \(session.inputs.count) inputs; --input \(input) is one too many or misnamed")
    }
    return (next, input)
  }

  private static func fill(_ session: Session, _ index: Int, path: String) throws(CommandError) {
    let port = session.inputs[index]
    do throws(SystemError) {
      let file = try File(reading: path)
      let byteCount = try file.status().byteCount
      guard byteCount == port.byteCount else {
        throw SystemError(
          "read", "\(path): it has \(byteCount) bytes, input \(port.name) takes \(port.byteCount)", code: 22)
      }
      try session.writeInput(index) { (bytes) throws(SystemError) in _ = try file.read(into: bytes) }
    } catch {
      throw .failure(error.message + inputHint(path, session.inputs.map { $0.name }))
    }
  }

  /// What to add to an error of a file whose name looks like `NAME=FILE` with a name that no input has.
  static func inputHint(_ path: String, _ names: [String]) -> String {
    guard path.utf8.contains(UInt8(ascii: "=")) else { return "" }
    var text = "; the inputs' names are"
    for name in names { text += " " + name }
    return text
  }

  private static func filter(_ arguments: Arguments) throws(CommandError) -> Picture.Filter {
    switch arguments.text("resize") {
    case nil, "nearest": return .nearest
    case "bilinear": return .bilinear
    case let other?: throw .usage("--resize takes nearest or bilinear, not \(other)")
    }
  }

  private static func fill(
    _ session: Session, image: Picture, filter: Picture.Filter
  ) throws(CommandError) {
    let port = session.inputs[0]
    let shape = port.shape
    guard shape.rank == 4, shape[0] == 1, shape[3] == 1 || shape[3] == 3, port.elementType.isQuantizedByte else {
      throw .failure("the model's first input is \(port.elementType.name) \(shape), not one picture of 1 or 3 channels")
    }
    session.writeInput(0) { bytes in
      image.resize(
        into: bytes, width: shape[2], height: shape[1], channels: shape[3], isSigned: port.elementType == .int8,
        filter: filter)
    }
    try image.check()
  }

  private static func write(_ outputs: [[UInt8]], to directory: String?) throws(CommandError) -> [String] {
    guard let directory else { return [] }
    var files: [String] = []
    do throws(SystemError) {
      try FileSystem.createDirectory(directory)
      for (index, bytes) in outputs.enumerated() {
        let path = "\(directory)/out\(index).bin"
        let file = try File(creating: path)
        try bytes.withUnsafeBufferPointer { (buffer) throws(SystemError) in
          try file.write(UnsafeRawBufferPointer(buffer))
        }
        files.append(path)
      }
    } catch {
      throw .failure(error.message)
    }
    return files
  }

  private static func printJSON(_ session: Session, _ files: [String], microseconds: Int64, _ engine: Engine) {
    var json = JSONWriter()
    json.beginObject()
    json.key("outputs")
    json.beginArray()
    for (index, port) in session.outputs.enumerated() {
      json.beginObject()
      json.member("name", port.name)
      json.member("datatype", port.elementType.name)
      json.member("shape", port.shape.dimensions)
      if !files.isEmpty { json.member("file", files[index]) }
      json.endObject()
    }
    json.endArray()
    json.member("isa", engine.kernels.name)
    json.member("threads", engine.pool.threadCount)
    json.member("latency_us", Int(microseconds))
    json.member("peak_rss_bytes", Process.peakResidentByteCount)
    json.endObject()
    Console.line(String(decoding: json.bytes, as: UTF8.self))
  }
}
