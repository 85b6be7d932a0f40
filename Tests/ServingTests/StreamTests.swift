import Memory
import Protocols
import System
import TestSupport
import Testing

@testable import Serving

@Suite struct StreamTests {
  static let generation =
    #"{"sequence_batching":{"state":[{"input_name":"state","output_name":"total"}]},"generate":{"steps":5}}"#
  static let path = "/v2/models/sum/generate_stream"

  /// The first element of each event's first output; an error's text as −1.
  func values(_ events: [String]) throws -> [Int] {
    try events.map {
      let event = try JSON(parsing: $0)
      if event["error"] != nil { return -1 }
      return Int(event["outputs"]?.array?[0]["data"]?.array?[0].int ?? -2)
    }
  }

  @Test func eventsOfAGeneration() throws {
    let server = try SequenceTests.server(StreamTests.generation)
    let client = try TestClient(server.repository.socket)
    for (parameters, expected) in [
      ("", [3, 6, 9, 12, 15]), (#""steps":2"#, [3, 6]), (#""steps":99"#, [3, 6, 9, 12, 15]),
    ] {
      try client.send(
        TestClient.request(StreamTests.path, Array(SequenceTests.request([3, 0, 0, 0], parameters).utf8)))
      let events = try client.events()
      #expect(events.head?.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n") == true)
      #expect(try values(events.list) == expected && events.isWhole)
    }
    let last = try client.post(
      "/v2/models/sum/generate", SequenceTests.request([3, 0, 0, 0], #""steps":4"#))
    #expect(try SequenceTests.totals(last) == [12, 0, 0, 0])
    #expect(server.wait { server.budget.reservedByteCount(for: .sequences) == 0 })
    #expect(try client.get("/v2/models/sum/stats")?.text.contains(#""inference_count":16"#) == true)
  }

  @Test func outputsFeedInputs() throws {
    let configuration =
      #"{"generate":{"steps":4,"feedback":[{"input_name":"state","output_name":"total"}]}}"#
    let server = try SequenceTests.server(configuration)
    let client = try TestClient(server.repository.socket)
    let request =
      #"{"inputs":[{"name":"sample","shape":[1,4],"datatype":"UINT8","data":[2,0,0,0]},"#
      + #"{"name":"state","shape":[1,4],"datatype":"UINT8","data":[100,0,0,0]}]}"#
    try client.send(TestClient.request(StreamTests.path, Array(request.utf8)))
    #expect(try values(try client.events().list) == [102, 104, 106, 108])
    // Without a generation it is a model like others.
    #expect(try client.post("/v2/models/sum/infer", request)?.text.contains("[102,0,0,0]") == true)
  }

  @Test func refusals() throws {
    let server = try SequenceTests.server()
    let client = try TestClient(server.repository.socket)
    let request = SequenceTests.request([3, 0, 0, 0], "")
    let reply = try client.post(StreamTests.path, request)
    #expect(reply?.status == 400 && reply?.text.contains(#"lacks \"generate\""#) == true)
    #expect(try client.post("/v2/models/none/generate_stream", request)?.status == 404)
    #expect(try client.get(StreamTests.path)?.status == 405)
    let other = try SequenceTests.server(StreamTests.generation)
    let second = try TestClient(other.repository.socket)
    for (body, message) in [
      (SequenceTests.request([3, 0, 0], ""), "sample"),
      (SequenceTests.request([3, 0, 0, 0], #""sequence_id":1"#), "sequence_id"),
      ("{}", "inputs"),
    ] {
      let reply = try second.post(StreamTests.path, body)
      #expect(reply?.status == 400 && reply?.text.contains(message) == true, "\(reply?.text ?? "")")
    }
    #expect(other.wait { other.budget.reservedByteCount(for: .sequences) == 0 })
  }

  func beginItems(_ client: TestClient, type: String) throws {
    try client.send(
      "POST \(StreamTests.path) HTTP/1.1\r\nContent-Type: \(type)\r\nTransfer-Encoding: chunked\r\n\r\n")
  }

  func chunk(_ bytes: [UInt8]) -> [UInt8] { Array((String(bytes.count, radix: 16) + "\r\n").utf8) + bytes + [13, 10] }

  @Test func itemsAreAnsweredAsTheyCome() throws {
    let server = try SequenceTests.server()
    let client = try TestClient(server.repository.socket)
    try beginItems(client, type: "application/octet-stream")
    try client.send(chunk([1, 2, 3, 4]))
    var events = try client.events(count: 1)
    #expect(try values(events.list) == [1] && !events.isWhole)
    // An item in two chunks and the start of the next.
    try client.send(chunk([1, 1]))
    try client.send(chunk([1, 1, 10, 0]))
    events = try client.events(count: 1)
    #expect(try values(events.list) == [2])
    try client.send(chunk([0, 0, 5, 0, 0, 0]))
    #expect(try values(try client.events(count: 2).list) == [12, 17])
    try client.send("0\r\n\r\n")
    events = try client.events()
    #expect(events.list.isEmpty && events.isWhole)
    // The connection serves on; the sequence is gone.
    #expect(try client.get("/v2/health/live")?.status == 200)
    #expect(server.wait { server.budget.reservedByteCount(for: .sequences) == 0 })
  }

  @Test func itemsMayBeLines() throws {
    let server = try SequenceTests.server()
    let client = try TestClient(server.repository.socket)
    let lines = [1, 2, 3].map { SequenceTests.request([$0, 0, 0, 0], "") }
    let body = Array((lines.joined(separator: "\n\n") + "\n").utf8)
    // Whatever the pieces are.
    for pieceByteCount in [1, 7, 100, body.count] {
      try beginItems(client, type: "application/x-ndjson")
      for start in stride(from: 0, to: body.count, by: pieceByteCount) {
        try client.send(chunk(Array(body[start..<min(body.count, start + pieceByteCount)])))
      }
      try client.send("0\r\n\r\n")
      let events = try client.events()
      #expect(try values(events.list) == [1, 3, 6] && events.isWhole)
    }
    // A body of known length, its last line without an end.
    try client.send(
      TestClient.request(
        StreamTests.path, Array(lines.joined(separator: "\n").utf8), headers: "Content-Type: application/x-ndjson\r\n"))
    #expect(try values(try client.events().list) == [1, 3, 6])
  }

  @Test func aBadItemEndsTheStream() throws {
    let server = try SequenceTests.server()
    let client = try TestClient(server.repository.socket)
    try beginItems(client, type: "application/x-ndjson")
    try client.send(chunk(Array((SequenceTests.request([1, 0, 0, 0], "") + "\n{\n").utf8)))
    let events = try client.events()
    #expect(try values(events.list) == [1, -1] && events.isWhole)
    let cut = try TestClient(server.repository.socket)
    try beginItems(cut, type: "application/octet-stream")
    try cut.send(chunk([1, 0, 0, 0, 9]))
    try cut.send("0\r\n\r\n")
    let last = try cut.events()
    #expect(try values(last.list) == [1, -1] && last.list.last?.contains("the last item") == true)
    // As the first item it is answered like any bad request.
    let first = try TestClient(server.repository.socket)
    try beginItems(first, type: "application/octet-stream")
    try first.send(chunk([1]))
    try first.send("0\r\n\r\n")
    #expect(try first.reply()?.status == 400)
  }

  @Test func whoDoesNotReadMakesTheServerWait() throws {
    let configuration = StreamTests.generation.replacing(#""steps":5"#, with: #""steps":1000000"#)
    let server = try SequenceTests.server(configuration)
    let client = try TestClient(server.repository.socket)
    try client.send(TestClient.request(StreamTests.path, Array(SequenceTests.request([0, 0, 0, 0], "").utf8)))
    // Until the socket is full.
    let other = try TestClient(server.repository.socket)
    func count() -> Int64 {
      guard let text = try? other.get("/v2/models/sum/stats")?.text else { return -1 }
      return (try? JSON(parsing: text)["model_stats"]?.array?[0]["inference_count"]?.int) ?? -1
    }
    var (before, alike) = (Int64(-1), 0)
    #expect(
      server.wait {
        let now = count()
        alike = now == before ? alike + 1 : 0
        before = now
        return now > 0 && alike > 20
      })
    #expect(before > 0 && before < 100_000)
    #expect(server.budget.reservedByteCount(for: .buffers) < 1 << 20)
    // Once it reads, the server goes on; once it hangs up, the server stops and gives everything back.
    #expect(try client.events(count: Int(before) + 10).list.count >= Int(before) + 10)
    client.hangUp()
    #expect(server.wait { server.budget.reservedByteCount(for: .sequences) == 0 })
    #expect(server.wait { server.server.connectionCount == 1 })
  }
}

extension TestClient {
  /// What has come of an answer in events.
  struct Events {
    /// Nil where it came before.
    var head: String?
    var list: [String] = []
    /// Whether the answer's end has come.
    var isWhole = false
  }

  /// Reads until the end of a chunked answer, or until so many events have come.
  func events(count: Int = Int.max) throws -> Events {
    var events = Events()
    while events.list.count < count, !events.isWhole {
      guard let line = try line() else { break }
      if line.hasPrefix("HTTP/") {
        var head = line + "\r\n"
        while let next = try self.line(), !next.isEmpty { head += next + "\r\n" }
        events.head = head
      } else if let size = Int(line, radix: 16) {
        let chunk = try bytes(size + 2)
        if size == 0 {
          events.isWhole = true
        } else {
          let text = String(decoding: chunk, as: UTF8.self)
          #expect(text.hasPrefix("data: ") && text.hasSuffix("\n\n\r\n"))
          events.list.append(String(text.dropFirst(6).dropLast(3)))
        }
      }
    }
    return events
  }
}
