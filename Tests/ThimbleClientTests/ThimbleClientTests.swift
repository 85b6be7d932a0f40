import System
import Tensors
import Testing

@testable import ThimbleClient

@Suite struct ThimbleClientTests {
  func answer(_ body: String, status: String = "200 OK", headers: String = "") -> String {
    "HTTP/1.1 \(status)\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
  }

  @Test func saysWhatToDoWithoutADaemon() {
    let client = ThimbleClient(socketPath: "/tmp/thimble-no-such-socket")
    let error = #expect(throws: ClientError.self) { try client.isReady() }
    #expect(
      error?.message == "no daemon listens at /tmp/thimble-no-such-socket: start one with "
        + "`thimble serve --models DIR --socket /tmp/thimble-no-such-socket`")
  }

  @Test func opensAnotherConnectionOnce() throws {
    let server = try ScriptedServer([[answer("{}")], [answer("{}"), answer("{}")], []])
    let client = ThimbleClient(socketPath: server.path)
    for _ in 0..<3 { #expect(try client.isReady()) }
    // The third connection closes without an answer, after one try: the daemon does not want to.
    let error = #expect(throws: ClientError.self) { try client.isReady() }
    guard case .disconnected = error else { return #expect(Bool(false), "\(error?.message ?? "")") }
  }

  @Test func readsAnswersOfEveryFraming() throws {
    let document = #"{"models":["a"]}"#
    let chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n\(document.prefix(8))\r\n"
      + "8\r\n\(document.dropFirst(8))\r\n0\r\n\r\n"
    let server = try ScriptedServer([
      [
        answer(document), chunked, "HTTP/1.1 100 Continue\r\n\r\n" + answer(document, headers: "Connection: close\r\n"),
      ], ["HTTP/1.0 200 OK\r\n\r\n" + document],
    ])
    let client = ThimbleClient(socketPath: server.path)
    for _ in 0..<4 { #expect(try client.models() == ["a"]) }
  }

  @Test func reportsRefusals() throws {
    let busy = answer(#"{"error":"full"}"#, status: "503 Service Unavailable", headers: "Retry-After: 2\r\n")
    let server = try ScriptedServer([[busy, answer("no", status: "404 Not Found"), answer("{"), answer("{}")]])
    let client = ThimbleClient(socketPath: server.path)
    let full = #expect(throws: ClientError.self) { try client.metrics() }
    #expect(full?.message == "full (in 2 s)" && full?.isTransient == true)
    let missing = #expect(throws: ClientError.self) { try client.loadModel("m") }
    #expect(missing?.message == "status 404" && missing?.isTransient == false)
    #expect(throws: ClientError.self) { try client.models() }
    #expect(throws: ClientError.self) { try client.modelMetadata("m") }
  }

  @Test func reportsAnswersThatBreakOff() throws {
    let server = try ScriptedServer([
      ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"], ["HTTP/1.1 200"], ["?\r\n\r\n"],
    ])
    let client = ThimbleClient(socketPath: server.path)
    for _ in 0..<3 { #expect(throws: ClientError.self) { try client.metrics() } }
  }

  @Test func countsNoBytesOfSizesBeyondMemory() throws {
    let port = #"{"name":"x","datatype":"FP32","shape":[4611686018427387904]}"#
    let server = try ScriptedServer([[answer(#"{"name":"m","inputs":[\#(port)],"outputs":[]}"#)]])
    let inputs = try ThimbleClient(socketPath: server.path).modelMetadata("m").inputs
    #expect(inputs.count == 1 && inputs[0].byteCount == nil)
  }

  @Test func refusesShapesThatTheAnswerCannotHold() throws {
    let hostile =
      #"{"model_name":"m","model_version":"1","outputs":[{"name":"o","datatype":"FP32","shape":[1000000000],"data":[1]}]}"#
    let server = try ScriptedServer([[answer(hostile)]])
    let client = ThimbleClient(socketPath: server.path)
    let input = ClientTensor(name: "i", elementType: .uint8, shape: Shape([1]), bytes: [1])
    #expect(throws: ClientError.self) { try client.infer("m", inputs: [input]) }
  }

  @Test func readsClasses() {
    let entry = ClientClass("242:7:a:b")
    #expect(entry?.value == "242" && entry?.index == 7 && entry?.label == "a:b")
    #expect(ClientClass("0.5:3")?.label == nil && ClientClass("x") == nil && ClientClass("1:y") == nil)
  }
}
