import Testing

@testable import Protocols

@Suite struct HTTPRequestParserTests {
  static let infer = [UInt8](
    "POST /v2/models/a%20b/infer?x=1 HTTP/1.1\r\nHost: localhost\r\ncontent-LENGTH:  12 \r\n"
      + "Inference-Header-Content-Length: 7\r\nContent-Type: application/octet-stream\r\nAccept: */*\r\n"
      + "Expect: 100-Continue\r\n\r\n")

  func parse(_ text: String, limits: HTTPLimits = HTTPLimits()) throws(ProtocolError) -> HTTPRequestParser.Progress {
    try withBytes([UInt8](text)) { (raw) throws(ProtocolError) in
      var parser = HTTPRequestParser(limits: limits)
      return try parser.parse(raw)
    }
  }

  func head(_ text: String) throws -> HTTPRequestHead {
    guard case .head(let head, _) = try parse(text) else { throw ProtocolError.headTooLarge(limitBytes: -1) }
    return head
  }

  @Test func readsWhatTheServerNeeds() throws {
    let head = try head([UInt8](HTTPRequestParserTests.infer).text)
    #expect(head.method == .post)
    #expect(head.version == .http11)
    #expect(head.path == ["v2", "models", "a b", "infer"])
    #expect(head.body == .bytes(12))
    #expect(head.keepsAlive)
    #expect(head.expectsContinue)
    #expect(head.inferenceHeaderContentLength == 7)
    #expect(head.contentType == "application/octet-stream")
    #expect(head.accept == "*/*")
  }

  @Test func acceptsAnySplitAndLeavesTheRest() throws {
    let bytes = HTTPRequestParserTests.infer + [UInt8]("GET /")
    let expected = try parse(bytes.text)
    guard case .head(_, let consumed) = expected else { return #expect(Bool(false)) }
    #expect(consumed == HTTPRequestParserTests.infer.count)
    for split in 0..<consumed {
      try withBytes(bytes) { (raw) throws(ProtocolError) in
        var parser = HTTPRequestParser()
        #expect(try parser.parse(UnsafeRawBufferPointer(rebasing: raw[..<split])) == .needMore)
        #expect(try parser.parse(raw) == expected)
      }
    }
  }

  @Test func acceptsOneByteAtATimeAndTwoRequestsInARow() throws {
    let bytes = [UInt8]("\r\n") + HTTPRequestParserTests.infer + [UInt8]("GET /v2 HTTP/1.0\r\n\r\n")
    var parser = HTTPRequestParser()
    var received: [UInt8] = []
    var heads: [HTTPRequestHead] = []
    for byte in bytes {
      received.append(byte)
      let progress = try withBytes(received) { (raw) throws(ProtocolError) in try parser.parse(raw) }
      if case .head(let head, let consumed) = progress {
        heads.append(head)
        received.removeFirst(consumed)
      }
    }
    #expect(heads.map(\.path) == [["v2", "models", "a b", "infer"], ["v2"]])
    #expect(heads.last?.keepsAlive == false)
    #expect(received.isEmpty)
  }

  @Test func decidesWhetherTheConnectionStays() throws {
    #expect(try head("GET / HTTP/1.1\r\n\r\n").keepsAlive)
    #expect(try !head("GET / HTTP/1.1\r\nConnection: foo, Close\r\n\r\n").keepsAlive)
    #expect(try !head("GET / HTTP/1.0\r\n\r\n").keepsAlive)
    #expect(try head("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keepsAlive)
    #expect(try !head("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expectsContinue)
  }

  @Test func decodesPaths() throws {
    #expect(try head("GET / HTTP/1.1\r\n\r\n").path == [])
    #expect(try head("GET /v2/ HTTP/1.1\r\n\r\n").path == ["v2"])
    #expect(try head("GET /a%2Fb/%C3%A9//c#d HTTP/1.1\r\n\r\n").path == ["a/b", "é", "", "c"])
    #expect(try head("GET http://host:80/v2/x?y=/z HTTP/1.1\r\n\r\n").path == ["v2", "x"])
    #expect(try head("OPTIONS * HTTP/1.1\r\n\r\n").path == ["*"])
    #expect(try head("BREW / HTTP/1.1\r\n\r\n").method == .other)
  }

  @Test(arguments: [
    ("GET /\0 HTTP/1.1\r\n\r\n", ProtocolError.http(.nul, offset: 5)),
    ("GET / HTTP/1.1\n\n", .http(.bareLineEnd, offset: 14)),
    ("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", .http(.bareLineEnd, offset: 21)),
    ("GET / HTTP/2.0\r\n\r\n", .versionUnsupported),
    ("GET / HTTP/1.2\r\n\r\n", .versionUnsupported),
    ("GET / HTTP/11\r\n\r\n", .http(.requestLine, offset: 6)),
    ("GET /\r\n\r\n", .http(.requestLine, offset: 5)),
    ("GET  / HTTP/1.1\r\n\r\n", .http(.requestLine, offset: 4)),
    ("GET / HTTP/1.1 \r\n\r\n", .http(.requestLine, offset: 6)),
    ("G@T / HTTP/1.1\r\n\r\n", .http(.requestLine, offset: 1)),
    ("GET v2 HTTP/1.1\r\n\r\n", .http(.target, offset: 4)),
    ("GET /%4 HTTP/1.1\r\n\r\n", .http(.target, offset: 5)),
    ("GET /%zz HTTP/1.1\r\n\r\n", .http(.target, offset: 5)),
    ("GET /a%00 HTTP/1.1\r\n\r\n", .http(.target, offset: 6)),
    ("GET /%FF HTTP/1.1\r\n\r\n", .http(.target, offset: 5)),
    ("GET /1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7 HTTP/1.1\r\n\r\n", .http(.tooManySegments, offset: 37)),
    ("GET / HTTP/1.1\r\nA : b\r\n\r\n", .http(.headerName, offset: 17)),
    ("GET / HTTP/1.1\r\n: b\r\n\r\n", .http(.headerName, offset: 16)),
    ("GET / HTTP/1.1\r\nAbc\r\n\r\n", .http(.headerName, offset: 19)),
    ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", .http(.headerFold, offset: 22)),
    ("GET / HTTP/1.1\r\nA: b\u{1}\r\n\r\n", .http(.headerValue, offset: 20)),
    ("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", .http(.contentLengthRepeated, offset: 35)),
    ("GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", .http(.contentLength, offset: 32)),
    ("GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", .http(.contentLength, offset: 32)),
    ("GET / HTTP/1.1\r\nContent-Length:\r\n\r\n", .http(.contentLength, offset: 31)),
    ("GET / HTTP/1.1\r\nThimble-Client-User: 4294967295\r\n\r\n", .http(.clientUser, offset: 37)),
    ("GET / HTTP/1.1\r\nThimble-Client-User: root\r\n\r\n", .http(.clientUser, offset: 37)),
    ("GET / HTTP/1.1\r\nThimble-Client-User: 1\r\nThimble-Client-User: 0\r\n\r\n", .http(.clientUser, offset: 61)),
    ("GET / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n", .http(.contentLength, offset: 32)),
    (
      "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      .http(.lengthAndTransferEncoding, offset: 0)
    ),
    ("GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .transferCodingUnsupported),
    (
      "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      .http(.transferEncoding, offset: 44)
    ),
    ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", .http(.transferEncoding, offset: 0)),
    ("GET / HTTP/1.1\r\nInference-Header-Content-Length: -1\r\n\r\n", .http(.inferenceHeaderLength, offset: 49)),
  ])
  func refuses(_ text: String, _ expected: ProtocolError) {
    #expect(failure { () throws(ProtocolError) in try parse(text) } == expected)
    #expect(expected.endsConnection)
  }

  @Test func holdsTheHeadToItsLimit() throws {
    let text = "GET / HTTP/1.1\r\nA: 1\r\n\r\n"
    let tight = HTTPLimits(headBytesMax: text.utf8.count)
    guard case .head = try parse(text, limits: tight) else { return #expect(Bool(false)) }
    let less = HTTPLimits(headBytesMax: text.utf8.count - 1)
    let error = failure { () throws(ProtocolError) in try parse(text, limits: less) }
    #expect(error == .headTooLarge(limitBytes: 23))
    #expect(error?.status.code == 431)
    let empties = String(repeating: "\r\n", count: 12)
    #expect(failure { () throws(ProtocolError) in try parse(empties, limits: tight) } == .headTooLarge(limitBytes: 24))
  }

  @Test func survivesMutation() {
    var random = XorShift(seed: 1)
    var heads = 0
    for _ in 0..<2_000 {
      let bytes = HTTPRequestParserTests.infer.mutated(&random)
      _ = failure { () throws(ProtocolError) in
        try withBytes(bytes) { (raw) throws(ProtocolError) in
          var parser = HTTPRequestParser(limits: HTTPLimits(headBytesMax: 512))
          if case .head(let head, _) = try parser.parse(raw) {
            heads += 1
            _ = Route(method: head.method, path: head.path)
          }
        }
      }
    }
    // Mutations of both kinds, or the test shows nothing.
    #expect(heads > 100 && heads < 1_900)
  }
}
