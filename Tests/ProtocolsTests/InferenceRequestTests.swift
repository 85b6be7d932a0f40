import Tensors
import Testing

@testable import Protocols

/// Parses a body and decodes all its inputs.
func decoded(_ body: [UInt8], headerContentLength: Int? = nil) throws(ProtocolError) -> [[UInt8]] {
  try withBytes(body) { (raw) throws(ProtocolError) in
    let request = try InferenceRequest(parsing: raw, headerContentLength: headerContentLength)
    var tensors: [[UInt8]] = []
    for input in request.inputs {
      guard input.byteCount < 1 << 20 else { continue }
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: input.byteCount, alignment: 1)
      defer { memory.deallocate() }
      try input.decode(from: raw, into: memory)
      tensors.append(Array(memory))
    }
    return tensors
  }
}

func parsed(_ body: [UInt8], headerContentLength: Int? = nil) throws(ProtocolError) -> InferenceRequest {
  try withBytes(body) { (raw) throws(ProtocolError) in
    try InferenceRequest(parsing: raw, headerContentLength: headerContentLength)
  }
}

@Suite struct InferenceRequestTests {
  static let json = [UInt8](
    #"{"id":"42","parameters":{"priority":1,"timeout":2500,"binary_data_output":true,"x":{"y":[1]}},"#
      + #""inputs":[{"name":"a","shape":[2,2],"datatype":"FP32","data":[[1,2.5],[-0.1,1e2]]},"#
      + #"{"datatype":"UINT8","data":[0,255,7.0],"shape":[3],"name":"b","parameters":{"z":null}}],"#
      + #""outputs":[{"name":"o","parameters":{"binary_data":false,"classification":3}},{"name":"p"}],"more":[]}"#)

  static let binaryHeader = [UInt8](
    #"{"inputs":[{"name":"a","shape":[3],"datatype":"INT16","parameters":{"binary_data_size":6}},"#
      + #"{"name":"j","shape":[2],"datatype":"BOOL","data":[true,false]},"#
      + #"{"name":"b","shape":[1,2],"datatype":"BOOL","parameters":{"binary_data_size":2}}]}"#)
  static let binary = binaryHeader + [1, 0, 2, 0, 255, 255, 7, 0]

  @Test func readsJSON() throws {
    let request = try parsed(InferenceRequestTests.json)
    #expect(request.id == "42")
    #expect(request.parameters.priority == 1)
    #expect(request.parameters.timeoutMicros == 2_500)
    #expect(request.parameters.binaryDataOutput)
    #expect(request.inputs.map(\.name) == ["a", "b"])
    #expect(request.inputs.map(\.elementType) == [.float32, .uint8])
    #expect(request.inputs.map(\.shape) == [Shape([2, 2]), Shape([3])])
    #expect(request.inputs.map(\.byteCount) == [16, 3])
    #expect(
      request.outputs == [
        InferenceOutputRequest(name: "o", binaryData: false, classificationCount: 3), InferenceOutputRequest(name: "p"),
      ])
    guard case .json(let range) = request.inputs[0].payload else { return #expect(Bool(false)) }
    #expect(Array(InferenceRequestTests.json[range]).text == "[[1,2.5],[-0.1,1e2]]")
    let floats: [Float] = [1, 2.5, -0.1, 100]
    let bytes = floats.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
    #expect(try decoded(InferenceRequestTests.json) == [bytes, [0, 255, 7]])
  }

  @Test func readsBinaryInTheOrderOfTheInputs() throws {
    let length = InferenceRequestTests.binaryHeader.count
    let request = try parsed(InferenceRequestTests.binary, headerContentLength: length)
    #expect(request.inputs[0].payload == .binary(length..<(length + 6)))
    #expect(request.inputs[2].payload == .binary((length + 6)..<(length + 8)))
    let tensors = try decoded(InferenceRequestTests.binary, headerContentLength: length)
    #expect(tensors == [[1, 0, 2, 0, 255, 255], [1, 0], [1, 0]])
  }

  @Test func readsARawBody() throws {
    var request = try parsed([1, 2, 3, 4], headerContentLength: 0)
    #expect(request.rawInput == 0..<4 && request.inputs.isEmpty && request.parameters.binaryDataOutput)
    let wrong = failure { () throws(ProtocolError) in
      try request.bindRawInput(name: "x", elementType: .float32, shape: Shape([2]))
    }
    #expect(wrong == .byteCountMismatch(tensor: "x", expected: 8, actual: 4))
    try request.bindRawInput(name: "x", elementType: .int16, shape: Shape([2]))
    #expect(request.inputs.map(\.payload) == [.binary(0..<4)] && request.rawInput == nil)
  }

  func input(_ datatype: String, _ shape: String, _ rest: String) -> [UInt8] {
    [UInt8](#"{"inputs":[{"name":"x","datatype":"\#(datatype)","shape":\#(shape)\#(rest)}]}"#)
  }

  @Test(
    arguments: [
      ("UINT8", "[3]", "[0,255,1e1]", [0, 255, 10]),
      ("INT8", "[2]", "[-128,127]", [128, 127]),
      ("INT16", "[1]", "[-2]", [254, 255]),
      ("INT32", "[2]", "[[2147483647],[-2147483648]]", [255, 255, 255, 127, 0, 0, 0, 128]),
      ("INT64", "[1]", "[-9223372036854775808]", [0, 0, 0, 0, 0, 0, 0, 128]),
      ("INT32", "[2]", "[999999999,-999999999]", [255, 201, 154, 59, 1, 54, 101, 196]),
      ("INT32", "[2]", "[1000000000,-1000000000]", [0, 202, 154, 59, 0, 54, 101, 196]),
      ("INT16", "[6]", "[0,-0, 7 ,8\n,9.0,1e1]", [0, 0, 0, 0, 7, 0, 8, 0, 9, 0, 10, 0]),
      ("FP32", "[2]", "[ 1 , -0 ]", [0, 0, 128, 63, 0, 0, 0, 128]),
      ("BOOL", "[2,1]", "[[[true]],false]", [1, 0]),
      ("FP32", "[]", "[1.5]", [0, 0, 192, 63]),
      ("FP32", "[0]", "[]", []),
      ("FP32", "[2,0]", "[[],[]]", []),
    ] as [(String, String, String, [UInt8])])
  func decodes(_ datatype: String, _ shape: String, _ data: String, _ expected: [UInt8]) throws {
    #expect(try decoded(input(datatype, shape, #","data":\#(data)"#)) == [expected])
  }

  @Test(arguments: [
    ("UINT8", "[1]", "[256]", ProtocolError.elementInvalid(tensor: "x", index: 0, elementType: .uint8)),
    ("UINT8", "[2]", "[1,-1]", .elementInvalid(tensor: "x", index: 1, elementType: .uint8)),
    ("INT8", "[1]", "[1.5]", .elementInvalid(tensor: "x", index: 0, elementType: .int8)),
    ("INT64", "[1]", "[9223372036854775808]", .elementInvalid(tensor: "x", index: 0, elementType: .int64)),
    ("INT32", "[1]", "[1e100]", .elementInvalid(tensor: "x", index: 0, elementType: .int32)),
    ("INT32", "[1]", "[01]", .json(.number, offset: 63)),
    ("INT32", "[1]", "[-01]", .json(.number, offset: 64)),
    ("INT32", "[1]", "[-]", .json(.number, offset: 63)),
    ("INT32", "[2]", "[1 2]", .json(.expectedCommaOrEnd, offset: 64)),
    ("FP32", "[1]", "[1e39]", .json(.numberOutOfRange, offset: 61)),
    ("FP32", "[1]", "[\"1\"]", .json(.expectedNumber, offset: 61)),
    ("FP32", "[1]", "[null]", .json(.expectedNumber, offset: 61)),
    ("BOOL", "[1]", "[1]", .json(.expectedBool, offset: 61)),
    ("FP32", "[1]", "1", .json(.expectedArray, offset: 60)),
    ("FP32", "[1]", "{}", .json(.expectedArray, offset: 60)),
    ("FP32", "[3]", "[1,2]", .elementCountMismatch(tensor: "x", expected: 3, actual: 2)),
    ("FP32", "[2]", "[[1,2],[3,4]]", .elementCountMismatch(tensor: "x", expected: 2, actual: 4)),
    ("FP32", "[-1]", "[1]", .shapeInvalid(tensor: "x")),
    ("FP32", "[1,1,1,1,1,1,1,1,1,1]", "[1]", .shapeInvalid(tensor: "x")),
    ("FP32", "[4294967296,4294967296]", "[1]", .shapeInvalid(tensor: "x")),
    ("FP32", "[4611686018427387904]", "[1]", .shapeInvalid(tensor: "x")),
    ("FP32", "[1.5]", "[1]", .json(.expectedInteger, offset: 50)),
    ("FP99", "[1]", "[1]", .datatypeUnknown(tensor: "x", datatype: "FP99")),
    ("FP16", "[1]", "[1]", .datatypeUnsupported(tensor: "x", datatype: "FP16")),
    ("BYTES", "[1]", "[\"a\"]", .datatypeUnsupported(tensor: "x", datatype: "BYTES")),
  ])
  func refuses(_ datatype: String, _ shape: String, _ data: String, _ expected: ProtocolError) {
    let body = input(datatype, shape, #","data":\#(data)"#)
    #expect(failure { () throws(ProtocolError) in try decoded(body) } == expected)
    #expect(expected.status == .badRequest && !expected.endsConnection)
  }

  @Test(arguments: [
    ("{}", ProtocolError.fieldMissing(field: "inputs", owner: "request")),
    ("[]", .json(.expectedObject, offset: 0)),
    (#"{"inputs":{}}"#, .json(.expectedArray, offset: 10)),
    (#"{"inputs":[{}]}"#, .fieldMissing(field: "name", owner: "tensor")),
    (#"{"inputs":[{"name":"x"}]}"#, .fieldMissing(field: "datatype", owner: "x")),
    (#"{"inputs":[{"name":"x","datatype":"FP32"}]}"#, .fieldMissing(field: "shape", owner: "x")),
    (#"{"inputs":[{"name":"x","datatype":"FP32","shape":[]}]}"#, .fieldMissing(field: "data", owner: "x")),
    (
      #"{"inputs":[],"parameters":{"timeout":-1}}"#,
      .fieldInvalid(field: "timeout", expected: "an integer of at least 0")
    ),
    (
      #"{"inputs":[],"parameters":{"binary_data_output":1}}"#,
      .fieldInvalid(field: "binary_data_output", expected: "true or false")
    ),
    (#"{"inputs":[],"outputs":[{}]}"#, .fieldMissing(field: "name", owner: "output")),
    (
      #"{"inputs":[{"name":"x","datatype":"BOOL","shape":[0],"data":[]},{"name":"x","datatype":"BOOL","shape":[0],"data":[]}]}"#,
      .tensorDuplicated(tensor: "x")
    ),
    (
      #"{"inputs":[{"name":"x","datatype":"BOOL","shape":[0],"data":[],"parameters":{"binary_data_size":0}}]}"#,
      .fieldInvalid(field: "data", expected: "left out where binary_data_size is given")
    ),
    (#"{"inputs":[]}x"#, .json(.trailingBytes, offset: 13)),
  ])
  func refusesTheDocument(_ text: String, _ expected: ProtocolError) {
    #expect(failure { () throws(ProtocolError) in try parsed([UInt8](text)) } == expected)
  }

  @Test func refusesWrongBinarySizes() {
    func error(_ size: String, tail: Int) -> ProtocolError? {
      let header = input("UINT8", "[4]", #","parameters":{"binary_data_size":\#(size)}"#)
      let body = header + [UInt8](repeating: 0, count: tail)
      return failure { () throws(ProtocolError) in try decoded(body, headerContentLength: header.count) }
    }
    #expect(error("4", tail: 4) == nil)
    #expect(error("4", tail: 3) == .binaryBytesMismatch(expected: 4, actual: 3))
    #expect(error("4", tail: 5) == .binaryBytesMismatch(expected: 4, actual: 5))
    #expect(error("5", tail: 5) == .byteCountMismatch(tensor: "x", expected: 4, actual: 5))
    #expect(error("9223372036854775807", tail: 4) == .binaryBytesMismatch(expected: Int.max, actual: 4))
    #expect(error("-4", tail: 4) == .fieldInvalid(field: "binary_data_size", expected: "an integer of at least 0"))
    let long = failure { () throws(ProtocolError) in try parsed([0x7B], headerContentLength: 2) }
    #expect(long == .headerLengthInvalid(headerBytes: 2, bodyBytes: 1))
    #expect(failure { () throws(ProtocolError) in try parsed([0x7B], headerContentLength: -1) } != nil)
  }

  @Test func holdsToItsLimits() {
    let one = #"{"name":"x","datatype":"BOOL","shape":[0],"data":[]}"#
    let many = [UInt8](#"{"inputs":["# + Array(repeating: one, count: 257).joined(separator: ",") + "]}")
    #expect(failure { () throws(ProtocolError) in try parsed(many) } == .tooManyTensors(limit: 256))
    let long = ProtocolError.datatypeUnknown(tensor: "x", datatype: String(repeating: "e\u{301}", count: 9_999))
    #expect(long.message.utf8.count < 300)
    #expect(
      ProtocolError.datatypeUnknown(tensor: "x", datatype: "F").message
        == #"tensor "x" has the unknown datatype "F": use UINT8, INT8, INT16, INT32, INT64, FP32, BOOL, BYTES"#)
  }

  @Test func refusesBuffersOfAnotherSize() throws {
    let request = try parsed(InferenceRequestTests.json)
    let short = failure { () throws(ProtocolError) in
      try withBytes(InferenceRequestTests.json) { (raw) throws(ProtocolError) in
        try request.inputs[1].decode(from: raw, into: UnsafeMutableRawBufferPointer(start: nil, count: 0))
      }
    }
    #expect(short == .bufferMismatch(tensor: "b", expected: 3, actual: 0))
    let otherBody = failure { () throws(ProtocolError) in
      try withBytes([1, 2]) { (raw) throws(ProtocolError) in
        var memory: (UInt8, UInt8, UInt8) = (0, 0, 0)
        let result = withUnsafeMutableBytes(of: &memory) { buffer in
          failure { () throws(ProtocolError) in try request.inputs[1].decode(from: raw, into: buffer) }
        }
        if let result { throw result }
      }
    }
    guard case .bufferMismatch(tensor: "b", _, actual: 2) = otherBody else { return #expect(Bool(false)) }
  }

  @Test func seesTruncationAtEveryByte() {
    for count in 0..<InferenceRequestTests.json.count {
      let prefix = Array(InferenceRequestTests.json[..<count])
      #expect(failure { () throws(ProtocolError) in try decoded(prefix) } != nil, "\(count) bytes")
    }
    let length = InferenceRequestTests.binaryHeader.count
    for count in 0..<InferenceRequestTests.binary.count {
      let prefix = Array(InferenceRequestTests.binary[..<count])
      let error = failure { () throws(ProtocolError) in try decoded(prefix, headerContentLength: length) }
      #expect(error != nil, "\(count) bytes")
    }
  }

  @Test func survivesMutation() {
    var random = XorShift(seed: 5)
    var accepted = 0
    for _ in 0..<3_000 {
      let json = InferenceRequestTests.json.mutated(&random)
      if failure({ () throws(ProtocolError) in try decoded(json) }) == nil { accepted += 1 }
      let header = InferenceRequestTests.binaryHeader.mutated(&random)
      let body = header + InferenceRequestTests.binary[InferenceRequestTests.binaryHeader.count...]
      let error = failure { () throws(ProtocolError) in try decoded(body, headerContentLength: header.count) }
      if error == nil { accepted += 1 }
      if let error { #expect(!error.message.isEmpty) }
    }
    #expect(accepted > 200 && accepted < 5_800)
  }
}
