import Protocols
import System
import Tensors
import ThimbleClient

extension Command {
  static let infer = Command(
    name: "infer", positionals: "MODEL", summary: "ask a running daemon for one inference",
    details: """
      Tensors are raw: little-endian, row-major, without a header, of the model's own type and shape. A model with labels
      answers with its top classes; others with a summary of each output.
      """,
    options: [
      Option("socket", "PATH", "where the daemon listens (default \(ThimbleClient.installedSocketPath))"),
      Option("input", "[NAME=]FILE", "the bytes of an input; once for each, with its name where there are several"),
      Option("version", "V", "which version (default: the highest that is loaded)"),
      Option("output-dir", "DIR", "write each output to DIR/NAME.bin"),
      Option("classes", "K", "say the K highest elements of each output (default 5 where the model has labels)"),
      Option("timeout", "MS", "give up if it has waited so long"),
      Option("json", nil, "say the result as JSON"),
    ],
    run: runInfer)

  private static func runInfer(_ arguments: Arguments) throws(CommandError) {
    let model = try arguments.onlyPositional("model")
    let version = arguments.text("version")
    let client = ThimbleClient(socketPath: arguments.socketPath)
    let directory = arguments.text("output-dir")
    let timeout = try arguments.integer("timeout", in: 1...3_600_000) ?? 0
    let classes = try arguments.integer("classes", in: 1...65536)
    let metadata = try asking { () throws(ClientError) in try client.modelMetadata(model, version: version) }
    let inputs = try readInputs(arguments, metadata)
    let outputs = try asking { () throws(ClientError) -> [InferenceOutputRequest] in
      var count = classes ?? 0
      if classes == nil, directory == nil, try !client.labels(model, version: version).isEmpty { count = 5 }
      guard directory == nil, count > 0 else { return [] }
      return metadata.outputs.map { InferenceOutputRequest(name: $0.name, classificationCount: count) }
    }
    let start = Clock.nowNanoseconds
    let result = try asking { () throws(ClientError) in
      try client.infer(model, version: version, inputs: inputs, outputs: outputs, timeoutMicros: timeout * 1000)
    }
    let elapsed = Clock.nowNanoseconds - start
    if let directory { try InferenceReport.write(result, to: directory) }
    if arguments.has("json") {
      InferenceReport.printJSON(result)
    } else {
      InferenceReport.printText(result, nanoseconds: elapsed)
    }
  }

  private static func asking<Result>(_ body: () throws(ClientError) -> Result) throws(CommandError) -> Result {
    do { return try body() } catch { throw .failure(error.message) }
  }

  /// The files that `--input` names, each for its input.
  private static func readInputs(
    _ arguments: Arguments, _ model: ClientModel
  ) throws(CommandError) -> [ClientTensor] {
    var tensors: [ClientTensor] = []
    for text in arguments.all("input") {
      let (port, path) = try port(text, model)
      guard !tensors.contains(where: { $0.name == port.name }) else {
        throw .usage("--input gives \(port.name) twice")
      }
      let limit = port.byteCount ?? 1 << 30
      let bytes: [UInt8]
      do { bytes = try File.bytes(of: path, limit: 1 << 30) } catch {
        throw .failure(error.message + inputHint(path, model.inputs.map { $0.name }))
      }
      guard bytes.count == limit else {
        throw .failure(
          "\(path) has \(bytes.count) bytes, but input \(port.name) takes \(limit):"
            + " \(port.elementType.name) \(port.shape.description)")
      }
      tensors.append(ClientTensor(name: port.name, elementType: port.elementType, shape: port.shape, bytes: bytes))
    }
    for port in model.inputs where !tensors.contains(where: { $0.name == port.name }) {
      throw .usage(
        "give the input \(port.name), \(port.elementType.name) \(port.shape.description):"
          + " --input \(model.inputs.count > 1 ? port.name + "=" : "")FILE")
    }
    return tensors
  }

  /// `NAME=FILE`, or `FILE` where the model has one input.
  private static func port(
    _ text: String, _ model: ClientModel
  ) throws(CommandError) -> (ClientModel.Port, path: String) {
    let bytes = Array(text.utf8)
    if let equals = bytes.firstIndex(of: UInt8(ascii: "=")) {
      let name = String(decoding: bytes[..<equals], as: UTF8.self)
      if let port = model.inputs.first(where: { $0.name == name }) {
        return (port, String(decoding: bytes[(equals + 1)...], as: UTF8.self))
      }
    }
    guard model.inputs.count == 1 else {
      var names = ""
      for port in model.inputs { names += (names.isEmpty ? "" : ", ") + port.name }
      throw .usage("--input \(text): say which input it is with NAME=FILE; model \(model.name) has \(names)")
    }
    return (model.inputs[0], text)
  }
}
