import Testing

@testable import Protocols

@Suite struct HTTPResponseTests {
  func parse(_ text: String, answersHead: Bool = false) throws(ProtocolError) -> HTTPClientResponseHead? {
    try withBytes([UInt8](text)) { (raw) throws(ProtocolError) in
      var parser = HTTPResponseParser()
      if case .head(let head, _) = try parser.parse(raw, answersHead: answersHead) { return head }
      return nil
    }
  }

  @Test func writesWhatCurlExpects() {
    var bytes: [UInt8] = []
    HTTPResponseHead(status: .ok, contentLength: 13).write(to: &bytes)
    #expect(
      bytes.text
        == "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: application/json\r\nConnection: keep-alive\r\n\r\n")
    bytes = []
    HTTPResponseHead(
      status: .serviceUnavailable, contentLength: 0, contentType: nil, keepsAlive: false, retryAfterSeconds: 2,
      inferenceHeaderContentLength: 9, allow: "POST"
    ).write(to: &bytes)
    #expect(
      bytes.text == "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nInference-Header-Content-Length: 9\r\n"
        + "Retry-After: 2\r\nAllow: POST\r\nConnection: close\r\n\r\n")
  }

  @Test func readsWhatItWrites() throws {
    for status in HTTPStatus.allCases {
      var bytes: [UInt8] = []
      HTTPResponseHead(
        status: status, contentLength: 70, contentType: "application/octet-stream", retryAfterSeconds: 3,
        inferenceHeaderContentLength: 60
      ).write(to: &bytes)
      let head = try #require(try parse(bytes.text))
      #expect(head.statusCode == status.code)
      #expect(head.body == .bytes(70))
      #expect(head.keepsAlive && !head.isInterim)
      #expect(head.inferenceHeaderContentLength == 60)
      #expect(head.retryAfterSeconds == 3)
      #expect(head.contentType == "application/octet-stream")
      for count in 0..<bytes.count { #expect(try parse(Array(bytes[..<count]).text) == nil) }
    }
  }

  @Test func knowsHowBodiesEnd() throws {
    #expect(try parse("HTTP/1.1 200\r\n\r\n")?.body == .untilClose)
    #expect(try parse("HTTP/1.1 200\r\n\r\n")?.keepsAlive == false)
    #expect(try parse("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?.body == .empty)
    #expect(try parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?.body == .chunked)
    #expect(try parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", answersHead: true)?.body == .empty)
    #expect(try parse("HTTP/1.1 204 No Content\r\n\r\n")?.body == .empty)
    #expect(try parse("HTTP/1.1 100 Continue\r\n\r\n")?.isInterim == true)
  }

  @Test(arguments: [
    "HTTP/1.1 20\r\n\r\n", "HTTP/1.1 2000\r\n\r\n", "HTTP/1.1 999 X\r\n\r\n", "HTTQ/1.1 200 OK\r\n\r\n",
  ])
  func refuses(_ text: String) {
    #expect(failure { () throws(ProtocolError) in try parse(text) } != nil)
  }

  @Test func writesRequestsThatTheServerReads() throws {
    var bytes: [UInt8] = []
    HTTPClientRequestHead(
      method: .post, path: ["v2", "models", "a/b é", "infer"], contentLength: 8, contentType: "application/json",
      inferenceHeaderContentLength: 4, keepsAlive: false
    ).write(to: &bytes)
    #expect(bytes.text.hasPrefix("POST /v2/models/a%2Fb%20%C3%A9/infer HTTP/1.1\r\nHost: localhost\r\n"))
    try withBytes(bytes) { (raw) throws(ProtocolError) in
      var parser = HTTPRequestParser()
      guard case .head(let head, let consumed) = try parser.parse(raw) else { return #expect(Bool(false)) }
      #expect(consumed == bytes.count)
      #expect(head.path == ["v2", "models", "a/b é", "infer"])
      #expect(head.body == .bytes(8) && head.inferenceHeaderContentLength == 4 && !head.keepsAlive)
    }
    bytes = []
    HTTPClientRequestHead(method: .get, path: ["v2"], clientUser: 1000, routingKey: "a\r\nb").write(to: &bytes)
    #expect(bytes.text == "GET /v2 HTTP/1.1\r\nHost: localhost\r\nThimble-Client-User: 1000\r\n\r\n")
    bytes = []
    HTTPClientRequestHead(method: .get, path: []).write(to: &bytes)
    #expect(bytes.text == "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
  }
}
