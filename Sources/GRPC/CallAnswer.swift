import Protocols
import Tensors

/// The daemon's answer as a message; parts of its body go on without a copy.
public struct CallAnswer: Equatable, Sendable {
  public var parts: [MessagePart]

  public var byteCount: Int { parts.reduce(0) { $0 + $1.count } }

  init(_ message: ProtobufWriter) { parts = [.bytes(message.bytes)] }

  /// `ModelInferResponse`: name 1, version 2, id 3, parameters 4, outputs 5, raw output contents 6. Errors: the daemon's, or its
  /// answer is not understood.
  public init(
    inference body: UnsafeRawBufferPointer, httpStatus: Int, headerContentLength: Int?, isLast: Bool = false
  ) throws(CallError) {
    guard httpStatus == 200 else { throw .init(httpStatus: httpStatus, body: body) }
    let length = headerContentLength ?? body.count
    guard length >= 0, length <= body.count,
      let json = try? JSON(parsing: UnsafeRawBufferPointer(rebasing: body[..<length])),
      let outputs = json["outputs"]?.array
    else { throw .unexpectedAnswer }
    var message = CallAnswer.head(json, isLast: isLast)
    var contents: [MessagePart] = []
    var offset = length
    for output in outputs {
      let members = output["parameters"]?.object ?? []
      CallAnswer.describe(output, members, in: &message)
      // One for each output, also for those in memory that is shared.
      guard let size = output["parameters"]?["binary_data_size"]?.int else {
        contents.append(.bytes([]))
        continue
      }
      guard let count = Int(exactly: size), count >= 0, count <= body.count - offset else { throw .unexpectedAnswer }
      contents.append(.original(offset..<offset + count))
      offset += count
    }
    parts = CallAnswer.parts(message, contents)
  }

  /// The same of an event of a generation, whose tensors are JSON.
  public init(event: UnsafeRawBufferPointer, isLast: Bool = false) throws(CallError) {
    guard let json = try? JSON(parsing: event) else { throw .unexpectedAnswer }
    if let error = json["error"]?.string { throw error.isEmpty ? .unexpectedAnswer : .init(.internal, error) }
    guard let outputs = json["outputs"]?.array, let response = try? InferenceClientResponse(parsing: event),
      outputs.count == response.outputs.count
    else { throw .unexpectedAnswer }
    var message = CallAnswer.head(json, isLast: isLast)
    var contents: [MessagePart] = []
    for (output, tensor) in zip(outputs, response.outputs) {
      CallAnswer.describe(output, output["parameters"]?.object ?? [], in: &message)
      contents.append(.bytes(try CallAnswer.elements(tensor, event)))
    }
    parts = CallAnswer.parts(message, contents)
  }

  private static func elements(
    _ output: InferenceClientResponse.Output, _ event: UnsafeRawBufferPointer
  ) throws(CallError) -> [UInt8] {
    switch output {
    case .tensor(let tensor):
      // Each element takes two characters at least, and no more than eight bytes.
      guard tensor.byteCount <= event.count * 4 else { throw .unexpectedAnswer }
      var bytes = [UInt8](repeating: 0, count: tensor.byteCount)
      let isDecoded = bytes.withUnsafeMutableBytes { bytes in (try? tensor.decode(from: event, into: bytes)) != nil }
      guard isDecoded else { throw .unexpectedAnswer }
      return bytes
    case .strings(_, _, let strings):
      var bytes: [UInt8] = []
      for string in strings {
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: string.utf8.count).littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: string.utf8)
      }
      return bytes
    }
  }

  private static func head(_ json: JSON, isLast: Bool) -> ProtobufWriter {
    var message = ProtobufWriter()
    message.field(1, json["model_name"]?.string ?? "")
    message.field(2, json["model_version"]?.string ?? "")
    message.field(3, json["id"]?.string ?? "")
    message.parameters(4, json["parameters"]?.object ?? [])
    if isLast { message.parameters(4, [JSONMember("triton_final_response", .bool(true))]) }
    return message
  }

  private static func describe(_ output: JSON, _ parameters: [JSONMember], in message: inout ProtobufWriter) {
    var tensor = ProtobufWriter()
    tensor.field(1, output["name"]?.string ?? "")
    tensor.field(2, output["datatype"]?.string ?? "")
    tensor.packed(3, output["shape"]?.array?.map { $0.int ?? 0 } ?? [])
    tensor.parameters(4, parameters.filter { $0.name != "binary_data_size" })
    message.message(5, tensor)
  }

  private static func parts(_ message: ProtobufWriter, _ contents: [MessagePart]) -> [MessagePart] {
    var parts: [MessagePart] = []
    var bytes = message.bytes
    for content in contents {
      var key = ProtobufWriter()
      key.begin(6, byteCount: content.count)
      bytes += key.bytes
      if case .bytes(let own) = content {
        bytes += own
      } else {
        parts += [.bytes(bytes), content]
        bytes = []
      }
    }
    return bytes.isEmpty && !parts.isEmpty ? parts : parts + [.bytes(bytes)]
  }

  // MARK: Streams

  /// After a generation's last event, for clients that want to be told: an answer without outputs.
  public init(lastOf request: HTTPCall) {
    var message = ProtobufWriter()
    // v2, models, the name.
    message.field(1, request.path.count > 2 ? request.path[2] : "")
    message.field(3, request.inference?.id ?? "")
    message.parameters(4, [JSONMember("triton_final_response", .bool(true))])
    self.init(message)
  }

  /// `ModelStreamInferResponse` with an answer: field 2.
  public func inStream() -> CallAnswer {
    var head = ProtobufWriter()
    head.begin(2, byteCount: byteCount)
    var answer = self
    answer.parts.insert(.bytes(head.bytes), at: 0)
    return answer
  }

  /// The same with an error, field 1, beside the id of its request.
  public init(streamError error: CallError, id: String) {
    var response = ProtobufWriter()
    response.field(3, id)
    var message = ProtobufWriter()
    message.repeated(1, error.message)
    message.message(2, response)
    self.init(message)
  }
}
