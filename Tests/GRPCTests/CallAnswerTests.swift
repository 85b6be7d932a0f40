import Protocols
import Testing

@testable import GRPC

@Suite struct CallAnswerTests {
  private func message(_ answer: CallAnswer, _ body: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    for part in answer.parts {
      switch part {
      case .bytes(let own): bytes += own
      case .original(let range): bytes += body[range]
      }
    }
    #expect(bytes.count == answer.byteCount)
    return bytes
  }

  /// Number and bytes of each field that has bytes.
  private func fields(_ bytes: [UInt8]) throws -> [(number: Int, bytes: [UInt8])] {
    try bytes.withUnsafeBytes { raw in
      var reader = ProtobufReader(raw)
      var fields: [(number: Int, bytes: [UInt8])] = []
      while let field = try reader.next() { fields.append((field.number, field.range.map { Array(raw[$0]) } ?? [])) }
      return fields
    }
  }

  @Test func tensorsGoOnAsTheyStand() throws {
    let json =
      #"{"model_name":"m","model_version":"2","id":"i","parameters":{"thimble_threads":2},"outputs":["#
      + #"{"name":"a","datatype":"UINT8","shape":[1,2],"parameters":{"binary_data_size":2}},"#
      + #"{"name":"s","datatype":"UINT8","shape":[1],"parameters":{"shared_memory_region":"r","shared_memory_byte_size":1}},"#
      + #"{"name":"b","datatype":"UINT8","shape":[3],"parameters":{"binary_data_size":3}}]}"#
    let body = Array(json.utf8) + [1, 2, 3, 4, 5]
    let answer = try body.withUnsafeBytes {
      try CallAnswer(inference: $0, httpStatus: 200, headerContentLength: json.utf8.count)
    }
    let found = try fields(message(answer, body))
    #expect(found.map { $0.number } == [1, 2, 3, 4, 5, 5, 5, 6, 6, 6])
    #expect(found.suffix(3).map { $0.bytes } == [[1, 2], [], [3, 4, 5]])
    #expect(try fields(found[4].bytes).map { $0.bytes } == [Array("a".utf8), Array("UINT8".utf8), [1, 2]])
    let stream = try fields(message(answer.inStream(), body))
    #expect(stream.count == 1 && stream[0].number == 2 && stream[0].bytes == message(answer, body))
  }

  private func answer(
    _ text: String, _ make: (UnsafeRawBufferPointer) throws -> CallAnswer
  ) throws -> CallAnswer {
    try Array(text.utf8).withUnsafeBytes { try make($0) }
  }

  @Test(arguments: [
    "", "{}", "[]", #"{"outputs":[{"parameters":{"binary_data_size":1}}]}"#,
    #"{"outputs":[{"parameters":{"binary_data_size":-1}}]}"#,
  ])
  func whatIsNoAnswerIsAnError(_ text: String) {
    for length in [nil, text.utf8.count + 1] {
      #expect(throws: CallError.unexpectedAnswer) {
        try answer(text) { try CallAnswer(inference: $0, httpStatus: 200, headerContentLength: length) }
      }
    }
  }

  @Test(arguments: [
    (400, CallStatus.invalidArgument), (403, .permissionDenied), (404, .notFound), (413, .resourceExhausted),
    (503, .unavailable), (507, .resourceExhausted), (500, .internal), (599, .internal),
  ])
  func errorsOfTheDaemonHaveTheirCodes(_ status: Int, _ code: CallStatus) {
    #expect(throws: CallError(code, "why")) {
      try answer(#"{"error":"why"}"#) { try CallAnswer(inference: $0, httpStatus: status, headerContentLength: nil) }
    }
  }

  @Test func eventsOfAGenerationAreTensors() throws {
    let event = #"{"model_name":"m","outputs":[{"name":"a","datatype":"INT16","shape":[2],"data":[1,-1]}]}"#
    let found = try fields(message(try answer(event) { try CallAnswer(event: $0, isLast: true) }, []))
    #expect(found.last?.bytes == [1, 0, 0xFF, 0xFF] && found.map { $0.number } == [1, 4, 5, 6])
    #expect(throws: CallError(.internal, "why")) {
      try answer(#"{"error":"why"}"#) { try CallAnswer(event: $0) }
    }
    // An error that says nothing is none of the daemon's.
    #expect(throws: CallError.unexpectedAnswer) { try answer(#"{"error":""}"#) { try CallAnswer(event: $0) } }
    #expect(throws: CallError(.unavailable, "the daemon answered with HTTP status 503")) {
      try answer(#"{"error":""}"#) { try CallAnswer(inference: $0, httpStatus: 503, headerContentLength: nil) }
    }
    #expect(throws: CallError.unexpectedAnswer) {
      try answer(#"{"outputs":[{"name":"a","datatype":"INT64","shape":[99999999],"data":[]}]}"#) {
        try CallAnswer(event: $0)
      }
    }
  }

  @Test func readinessIsNoError() throws {
    func parts(_ method: CallMethod, _ status: Int) throws -> [MessagePart] {
      try answer("{}") { try CallAnswer(method, body: $0, httpStatus: status) }.parts
    }
    #expect(try parts(.modelReady, 200) == [.bytes([8, 1])])
    #expect(try parts(.modelReady, 404) == [.bytes([])])
    #expect(try parts(.healthCheck, 503) == [.bytes([8, 2])])
    #expect(throws: CallError.self) { try parts(.modelReady, 403) }
  }
}
