import Protocols
import Tensors

extension HTTPCall {
  /// An inference: `ModelInferRequest`. Raw tensors go on as they stand in the message; typed ones become such.
  ///
  /// `isStream`: of a stream, where a request with the parameter `steps` is answered by the model's whole generation.
  /// `typedBytesMax`: what typed tensors may take once they are bytes. Errors: what is malformed or contradictory.
  public init(
    inference bytes: UnsafeRawBufferPointer, isStream: Bool = false, typedBytesMax: Int = CallLimits.messageBytesMax
  ) throws(CallError) {
    var (name, version, id) = ("", "", "")
    var parameters = CallParameters()
    var inputs: [CallTensor] = []
    var outputs: [CallTensor] = []
    var raw: [Range<Int>] = []
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      guard let range = field.range else { continue }
      switch field.number {
      case 1: name = try reader.text(range)
      case 2: version = try reader.text(range)
      case 3: id = try reader.text(range)
      case 4: try parameters.add(bytes, range)
      case 5: inputs.append(try CallTensor(input: bytes, range))
      case 6: outputs.append(try CallTensor(output: bytes, range))
      case 7: raw.append(range)
      default: break
      }
      guard inputs.count <= CallLimits.tensorsMax, outputs.count <= CallLimits.tensorsMax,
        raw.count <= CallLimits.tensorsMax
      else { throw .init(.invalidArgument, "a request has more than \(CallLimits.tensorsMax) tensors of a kind") }
    }
    let isGeneration = isStream && parameters["steps"] != nil
    self.init(.post, try HTTPCall.model(name, version, isGeneration ? "generate_stream" : "infer"))
    inference = Inference(
      id: id, isGeneration: isGeneration, marksLast: parameters["triton_enable_empty_final_response"]?.bool == true)

    var tensors: [MessagePart] = []
    var rawCount = 0
    var typedBytesLeft = typedBytesMax
    var writer = JSONWriter()
    writer.beginObject()
    if !id.isEmpty { writer.member("id", id) }
    // Events of a generation are text.
    parameters.write(isGeneration ? [] : [JSONMember("binary_data_output", .bool(true))], to: &writer)
    writer.key("inputs")
    writer.beginArray()
    for input in inputs {
      var part: MessagePart?
      if input.isShared {
        part = nil
      } else if !input.contents.isEmpty {
        guard raw.isEmpty else {
          throw .init(.invalidArgument, "input \(input.name) has contents beside raw_input_contents: give either")
        }
        let elements = try input.typedBytes(bytes, byteCountMax: typedBytesLeft)
        typedBytesLeft -= elements.count
        part = .bytes(elements)
      } else {
        guard rawCount < raw.count else {
          throw .init(.invalidArgument, "input \(input.name) has neither contents nor an element of raw_input_contents")
        }
        part = .original(raw[rawCount])
        rawCount += 1
      }
      input.write(byteCount: part?.count, to: &writer)
      if let part { tensors.append(part) }
    }
    writer.endArray()
    guard rawCount == raw.count else {
      throw .init(.invalidArgument, "raw_input_contents has \(raw.count) elements for \(rawCount) inputs")
    }
    if !outputs.isEmpty {
      writer.key("outputs")
      writer.beginArray()
      for output in outputs { output.write(byteCount: nil, to: &writer) }
      writer.endArray()
    }
    writer.endObject()
    headerContentLength = writer.bytes.count
    body = [.bytes(writer.bytes)] + tensors
  }

  /// Of an inference that was not understood, or failed: what it called itself.
  public static func id(_ bytes: UnsafeRawBufferPointer) -> String {
    var reader = ProtobufReader(bytes)
    while let field = try? reader.next() {
      if field.number == 3, let range = field.range { return (try? reader.text(range)) ?? "" }
    }
    return ""
  }
}
