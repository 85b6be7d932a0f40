import Protocols
import Testing

@testable import GRPC

@Suite struct InferenceCallTests {
  /// A message in the making.
  struct Message {
    var writer = ProtobufWriter()

    static func input(_ name: String, _ type: String, _ shape: [Int64], more: (inout ProtobufWriter) -> Void = { _ in })
      -> ProtobufWriter
    {
      var input = ProtobufWriter()
      input.field(1, name)
      input.field(2, type)
      input.packed(3, shape)
      more(&input)
      return input
    }

    init(model: String = "m", version: String = "", id: String = "") {
      writer.field(1, model)
      writer.field(2, version)
      writer.field(3, id)
    }

    mutating func add(_ input: ProtobufWriter) { writer.message(5, input) }
    mutating func raw(_ text: String) { writer.repeated(7, text) }
  }

  /// What the daemon would read of it.
  private func read(_ bytes: [UInt8], isStream: Bool = false, typedBytesMax: Int = 1 << 20) throws -> (
    call: HTTPCall, body: [UInt8], request: InferenceRequest
  ) {
    try bytes.withUnsafeBytes { raw in
      let call = try HTTPCall(inference: raw, isStream: isStream, typedBytesMax: typedBytesMax)
      var body: [UInt8] = []
      for part in call.body {
        switch part {
        case .bytes(let bytes): body += bytes
        case .original(let range): body += raw[range]
        }
      }
      #expect(body.count == call.bodyByteCount)
      let request = try body.withUnsafeBytes {
        try InferenceRequest(parsing: $0, headerContentLength: call.headerContentLength)
      }
      return (call, body, request)
    }
  }

  private func refusal(_ message: Message, typedBytesMax: Int = 1 << 20) -> CallError? {
    message.writer.bytes.withUnsafeBytes { raw -> CallError? in
      do throws(CallError) {
        _ = try HTTPCall(inference: raw, typedBytesMax: typedBytesMax)
        return nil
      } catch { return error }
    }
  }

  @Test func rawTensorsGoOnAsTheyStand() throws {
    var message = Message(model: "a/b", version: "3", id: "x\"y")
    message.add(Message.input("one", "UINT8", [1, 4]))
    message.add(Message.input("two", "UINT8", [2]))
    message.raw("abcd")
    message.raw("ef")
    let (call, body, request) = try read(message.writer.bytes)
    #expect(call.path == ["v2", "models", "a/b", "versions", "3", "infer"] && call.method == .post)
    #expect(request.id == "x\"y" && request.parameters.binaryDataOutput)
    #expect(request.inputs.map { $0.name } == ["one", "two"] && request.inputs[0].shape.dimensions == [1, 4])
    #expect(body.suffix(6) == Array("abcdef".utf8)[...])
    // The tensors were not copied.
    #expect(call.body.count == 3 && call.body.dropFirst().allSatisfy { if case .original = $0 { true } else { false } })
  }

  @Test(arguments: [
    ("INT8", 2, [1, -1] as [Int64], [1, 0xFF] as [UInt8]), ("INT16", 2, [-2], [0xFE, 0xFF]),
    ("INT32", 2, [7], [7, 0, 0, 0]),
    ("INT64", 3, [-1], [UInt8](repeating: 0xFF, count: 8)), ("UINT8", 4, [200, 0], [200, 0]),
    ("BOOL", 1, [1, 0], [1, 0]),
  ])
  func typedTensorsBecomeBytes(_ type: String, _ field: Int, _ values: [Int64], _ expected: [UInt8]) throws {
    for isPacked in [true, false] {
      var contents = ProtobufWriter()
      if isPacked { contents.packed(field, values) } else { for value in values { contents.chosen(field, value) } }
      var message = Message()
      message.add(Message.input("x", type, [Int64(values.count)]) { $0.message(5, contents) })
      #expect(try read(message.writer.bytes).body.suffix(expected.count) == expected[...])
    }
  }

  @Test func typedFloatsBecomeBytes() throws {
    var contents = ProtobufWriter()
    contents.begin(6, byteCount: 4)
    var message = Message()
    message.add(Message.input("x", "FP32", [1]) { $0.message(5, contents) })
    // The packed field is cut off.
    #expect(refusal(message) == .malformed)
    var input = Message.input("x", "FP32", [1])
    input.begin(5, byteCount: 6)
    input.begin(6, byteCount: 4)
    input.varint(0)
    input.varint(0)
    for byte: UInt64 in [0x40, 0x3F] { input.varint(byte) }
    message = Message()
    message.add(input)
    #expect(try read(message.writer.bytes).body.suffix(4) == [0, 0, 0x40, 0x3F])
  }

  @Test func whatDoesNotFitIsRefused() {
    func typed(_ type: String, _ field: Int, _ values: [Int64], alsoRaw: Bool = false) -> CallError? {
      var contents = ProtobufWriter()
      contents.packed(field, values)
      var message = Message()
      message.add(Message.input("x", type, [1]) { $0.message(5, contents) })
      if alsoRaw { message.raw("a") }
      return refusal(message, typedBytesMax: 16)
    }
    #expect(typed("INT8", 2, [128])?.message.contains("INT8") == true)
    #expect(typed("UINT8", 4, [256])?.status == .invalidArgument && typed("UINT8", 4, [-1])?.status == .invalidArgument)
    #expect(typed("UINT8", 2, [1])?.message.contains("uint_contents") == true)
    #expect(typed("FP64", 7, [1])?.message.contains("FP64") == true)
    #expect(typed("UINT8", 4, [1], alsoRaw: true)?.message.contains("raw_input_contents") == true)
    #expect(typed("INT64", 3, [1, 2]) == nil && typed("INT64", 3, [1, 2, 3])?.status == .resourceExhausted)
    var message = Message()
    message.add(Message.input("x", "UINT8", [1]))
    #expect(refusal(message)?.message.contains("x") == true)
    message.raw("a")
    message.raw("b")
    #expect(refusal(message)?.message.contains("2 elements for 1") == true)
    #expect(refusal(Message(model: ""))?.message.contains("no model") == true)
    message = Message()
    for _ in 0...CallLimits.tensorsMax { message.add(Message.input("x", "UINT8", [1])) }
    #expect(refusal(message)?.message.contains("256") == true)
  }

  @Test func parametersAndSharedMemoryGoOn() throws {
    var message = Message()
    message.writer.parameters(
      4,
      [
        JSONMember("priority", .int(2)), JSONMember("timeout", .int(5000)), JSONMember("sequence_id", .string("s")),
        JSONMember("sequence_start", .bool(true)), JSONMember("binary_data_output", .bool(false)),
        JSONMember("x", .double(0.5)),
      ])
    message.add(
      Message.input("x", "UINT8", [4]) {
        $0.parameters(
          4,
          [
            JSONMember("shared_memory_region", .string("r")), JSONMember("shared_memory_byte_size", .int(4)),
            JSONMember("binary_data_size", .int(99)),
          ])
      })
    var output = ProtobufWriter()
    output.field(1, "y")
    output.parameters(2, [JSONMember("classification", .int(3))])
    message.writer.message(6, output)
    let request = try read(message.writer.bytes).request
    #expect(
      request.parameters.priority == 2 && request.parameters.timeoutMicros == 5000
        && request.parameters.binaryDataOutput)
    #expect(request.parameters.sequenceID == .text("s") && request.parameters.startsSequence)
    #expect(request.inputs[0].payload == .shared(SharedMemoryReference(region: "r", offset: 0, byteCount: 4)))
    #expect(request.outputs[0].classificationCount == 3)
  }

  @Test func stepsOfAStreamGenerate() throws {
    var message = Message()
    message.writer.parameters(4, [JSONMember("steps", .int(2))])
    message.add(Message.input("x", "UINT8", [1]))
    message.raw("a")
    #expect(try read(message.writer.bytes).call.path.last == "infer")
    let call = try read(message.writer.bytes, isStream: true).call
    #expect(call.path.last == "generate_stream" && call.inference?.isGeneration == true)
  }
}
