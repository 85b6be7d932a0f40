import Protocols
import System

/// A client that asks all the time, on a thread of its own.
final class BusyClient {
  private let thread: Thread
  private let isOver: Futex
  private let outcome = Outcome()

  /// Owned by the thread until it has ended.
  private final class Outcome: @unchecked Sendable {
    var replies: [TestClient.Reply?] = []
  }

  init(_ socket: String, _ request: [UInt8]) throws {
    let (isOver, outcome) = (Futex(), outcome)
    self.isOver = isOver
    thread = try Thread(stackByteCount: 1 << 20) {
      do {
        let client = try TestClient(socket)
        while isOver.load() == 0 {
          try client.send(request)
          outcome.replies.append(try client.reply())
        }
      } catch { outcome.replies.append(nil) }
    }
  }

  /// Stops and returns what was answered; nil where the connection broke.
  func finish() -> [TestClient.Reply?] {
    isOver.store(1)
    thread.join()
    return outcome.replies
  }
}

/// A raw client: sends bytes as a test wants them, and reads whole answers.
final class TestClient {
  struct Reply {
    var status: Int
    var head: HTTPClientResponseHead
    var body: [UInt8]
    var text: String { String(decoding: body, as: UTF8.self) }
  }

  private var socket: Socket?
  private var received: [UInt8] = []

  init(_ path: String) throws { socket = try Socket(connectingTo: path) }

  func hangUp() { socket = nil }

  func send(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = try rest.withUnsafeBytes { raw in try socket!.send([raw]) ?? 0 }
      rest = rest.dropFirst(count)
    }
  }

  /// The first bytes carry the file.
  func send(_ bytes: [UInt8], passing file: borrowing File) throws {
    let count = try bytes.withUnsafeBytes { raw in try socket!.send([raw], passing: file) ?? 0 }
    try send(Array(bytes[count...]))
  }

  var descriptor: Int32 {
    switch socket {
    case .some(let socket): socket.descriptor
    case .none: -1
    }
  }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  /// Nil at the server's end.
  func reply(answersHead: Bool = false) throws -> Reply? {
    var parser = HTTPResponseParser()
    while true {
      if case .head(let head, let consumed) = try parse(&parser, answersHead) {
        received.removeFirst(consumed)
        guard case .bytes(let count) = head.body else { return Reply(status: head.statusCode, head: head, body: []) }
        while received.count < count { guard try receive() else { return nil } }
        defer { received.removeFirst(count) }
        return Reply(status: head.statusCode, head: head, body: Array(received[..<count]))
      }
      guard try receive() else { return nil }
    }
  }

  /// Nil at the server's end; without its CR LF.
  func line() throws -> String? {
    var end: Int?
    while end == nil {
      end = received.firstIndex(of: 10)
      guard try end != nil || receive() else { return nil }
    }
    return String(decoding: try bytes(end! + 1).dropLast(2), as: UTF8.self)
  }

  func bytes(_ count: Int) throws -> [UInt8] {
    while received.count < count { guard try receive() else { return [] } }
    defer { received.removeFirst(count) }
    return Array(received[..<count])
  }

  private func parse(_ parser: inout HTTPResponseParser, _ answersHead: Bool) throws -> HTTPResponseParser.Progress {
    try received.withUnsafeBytes { try parser.parse($0, answersHead: answersHead) }
  }

  private func receive() throws -> Bool {
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = try buffer.withUnsafeMutableBytes { try socket!.receive(into: $0) ?? 0 }
    received += buffer[..<count]
    return count > 0
  }

  // MARK: Requests

  func get(_ path: String) throws -> Reply? {
    try send("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
    return try reply()
  }

  func post(_ path: String, _ body: String = "", headers: String = "") throws -> Reply? {
    try send(TestClient.request(path, Array(body.utf8), headers: headers))
    return try reply()
  }

  func post(_ path: String, _ body: String, passing file: borrowing File) throws -> Reply? {
    try send(TestClient.request(path, Array(body.utf8)), passing: file)
    return try reply()
  }

  /// The body of a load with another configuration.
  static func override(_ configuration: String) -> String {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("parameters")
    writer.beginObject()
    writer.member("config", configuration)
    writer.endObject()
    writer.endObject()
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  static func request(_ path: String, _ body: [UInt8], headers: String = "") -> [UInt8] {
    Array("POST \(path) HTTP/1.1\r\nHost: x\r\n\(headers)Content-Length: \(body.count)\r\n\r\n".utf8) + body
  }

  /// The request for the digits model, all in JSON.
  static func json(_ picture: [UInt8], outputs: String = "", parameters: String = "{}") -> String {
    let data = picture.map { "\($0)" }.joined(separator: ",")
    return #"{"parameters":\#(parameters),"inputs":[{"name":"image","shape":[1,8,8,1],"datatype":"UINT8","#
      + #""data":[\#(data)]}]\#(outputs.isEmpty ? "" : #","outputs":"# + outputs)}"#
  }

  /// The request for the digits model with binary data both ways.
  static func binary(_ picture: [UInt8], path: String = "/v2/models/digits/infer") -> [UInt8] {
    let json = Array(
      (#"{"parameters":{"binary_data_output":true},"inputs":[{"name":"image","shape":[1,8,8,1],"#
        + #""datatype":"UINT8","parameters":{"binary_data_size":64}}]}"#).utf8)
    return request(path, json + picture, headers: "Inference-Header-Content-Length: \(json.count)\r\n")
  }
}
