import Memory
import Protocols
import System
import Testing

@testable import Serving

@Suite struct ServerTests {
  func digits(_ change: (inout ServerConfiguration) -> Void = { _ in }) throws -> TestServer {
    let files = try TestRepository()
    try files.addModel(configuration: TestRepository.digitLabels)
    return try TestServer(files, change: change)
  }

  @Test func answersDocuments() throws {
    let server = try digits()
    let client = try TestClient(server.repository.socket)
    #expect(try client.get("/v2/health/live")?.text == #"{"live":true}"#)
    #expect(try client.get("/v2/health/ready")?.text == #"{"live":true,"ready":true}"#)
    #expect(try client.get("/v2")?.text.contains(#""name":"thimble","version":"test""#) == true)
    #expect(try client.get("/v2/models")?.text == #"{"models":["digits"]}"#)
    let metadata = try client.get("/v2/models/digits/versions/1")?.text ?? ""
    #expect(metadata.contains(#""inputs":[{"name":"image","datatype":"UINT8","shape":[1,8,8,1]}]"#))
    #expect(try client.get("/v2/models/digits/config")?.text.contains(#""labels":["zero""#) == true)
    #expect(try client.get("/v2/models/digits/stats")?.text.contains(#""model_stats":[{"name":"digits""#) == true)
    let metrics = try client.get("/metrics")
    #expect(metrics?.head.contentType?.hasPrefix("text/plain") == true)
    #expect(metrics?.text.contains("thimble_memory_budget_bytes \(256 << 20)\n") == true)
    #expect(metrics?.text.contains("thimble_memory_reserved_bytes{purpose=\"weights\",kind=\"device\"} 0\n") == true)
    #expect(metrics?.text.contains(#"nv_inference_request_success{model="digits",version="1"} 0"#) == true)
    try client.send("HEAD /v2/models HTTP/1.1\r\n\r\n")
    let head = try client.reply(answersHead: true)
    #expect(head?.status == 200)
    #expect(try client.get("/v2/health/live")?.status == 200)
  }

  @Test func infersInEveryForm() throws {
    let server = try digits()
    let client = try TestClient(server.repository.socket)
    for index in 0..<20 {
      let picture = try TestRepository.picture(index)
      let json = try client.post("/v2/models/digits/infer", TestClient.json(picture))
      #expect(json?.status == 200)
      let values = try JSON(parsing: json?.text ?? "")["outputs"]?.array?[0]["data"]?.array?.map { UInt8($0.int ?? 0) }
      try client.send(TestClient.binary(picture))
      let binary = try client.reply()
      #expect(binary?.status == 200 && binary?.head.contentType == HTTPResponseHead.octetStream)
      #expect(binary.map { Array($0.body.suffix(10)) } == values && values?.count == 10)
      try client.send(
        TestClient.request("/v2/models/digits/infer", picture, headers: "Inference-Header-Content-Length: 0\r\n"))
      #expect(try client.reply().map { Array($0.body.suffix(10)) } == values)
    }
    let outputs = #"[{"name":"probabilities","parameters":{"classification":2}}]"#
    let request = TestClient.json(try TestRepository.picture(0), outputs: outputs)
    let top = try client.post("/v2/models/digits/infer", request)?.text ?? ""
    #expect(top.contains(#""datatype":"BYTES","shape":[1,2],"data":["242:7:seven","3:0:zero"]"#))
    #expect(try client.get("/metrics")?.text.contains(#"success{model="digits",version="1"} 61"#) == true)
  }

  @Test func takesChunksAndExpectations() throws {
    let server = try digits()
    let client = try TestClient(server.repository.socket)
    let body = TestClient.json(try TestRepository.picture(0))
    try client.send("POST /v2/models/digits/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    for start in stride(from: 0, to: body.utf8.count, by: 50) {
      let piece = body.utf8.dropFirst(start).prefix(50)
      try client.send(String(piece.count, radix: 16) + "\r\n" + String(decoding: Array(piece), as: UTF8.self) + "\r\n")
    }
    try client.send("0\r\n\r\n")
    #expect(try client.reply()?.status == 200)
    let head =
      "POST /v2/models/digits/infer HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
    try client.send(head)
    #expect(try client.reply()?.status == 100)
    try client.send(body)
    #expect(try client.reply()?.status == 200)
    // A refusal comes in place of the go-ahead.
    try client.send("POST /v2/models/none/infer HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n")
    #expect(try client.reply()?.status == 404)
    #expect(try client.reply() == nil)
  }

  @Test func refusesWhatIsWrong() throws {
    let server = try digits { $0.limits.bodyBytesMax = 8192 }
    let client = try TestClient(server.repository.socket)
    #expect(try client.get("/nothing")?.status == 404)
    #expect(try client.get("/v2/models/none")?.status == 404)
    #expect(try client.get("/v2/models/..%2F..")?.status == 404)
    #expect(try client.get("/v2/models/digits/infer")?.status == 405)
    #expect(try client.post("/v2/health/live")?.status == 405)
    #expect(try client.post("/v2/models/none/infer", "{}")?.status == 404)
    #expect(try client.post("/nothing", String(repeating: "x", count: 5000))?.status == 404)
    let picture = try TestRepository.picture(0)
    let good = TestClient.json(picture)
    func changed(_ from: String, _ to: String) -> String {
      let parts = good.split(separator: from, maxSplits: 1, omittingEmptySubsequences: false)
      return parts.joined(separator: to)
    }
    for bad in [
      "", "{", "[]", "{}", changed("image", "other"), changed("UINT8", "INT8"), changed("[1,8,8,1]", "[8,8]"),
      changed("[1,8,8,1]", "[64,1]"), changed("[1,8,8,1]", "[2,8,8,1]"), changed(#""data":["#, #""data":[1,"#),
      changed(#""data":["#, #""data":[-1,"#), changed("UINT8", "FP16"),
      TestClient.json(picture, outputs: #"[{"name":"none"}]"#),
      TestClient.json(picture, outputs: #"[{"name":"probabilities"},{"name":"probabilities"}]"#),
    ] {
      let reply = try client.post("/v2/models/digits/infer", bad)
      #expect(reply?.status == 400 && reply?.text.hasPrefix(#"{"error":""#) == true, "\(bad): \(reply?.text ?? "")")
    }
    #expect(try client.post("/v2/models/digits/infer", good)?.status == 200)
    #expect(try client.post("/v2/models/digits/infer", String(repeating: "x", count: 8193))?.status == 413)
    #expect(try client.reply() == nil)
    for malformed in ["GET\r\n\r\n", "GET / HTTP/3.0\r\n\r\n", "GET / HTTP/1.1\nx\r\n\r\n", "\u{0}"] {
      let client = try TestClient(server.repository.socket)
      try client.send(malformed)
      let status = try client.reply()?.status ?? 0
      #expect(status == 400 || status == 505)
      #expect(try client.reply() == nil)
    }
    let long = try TestClient(server.repository.socket)
    try long.send("GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 20_000) + "\r\n\r\n")
    #expect(try long.reply()?.status == 431)
  }

  @Test func keepsConnectionsAndPipelines() throws {
    let server = try digits()
    let client = try TestClient(server.repository.socket)
    let request = TestClient.binary(try TestRepository.picture(3))
    let live = Array("GET /v2/health/live HTTP/1.1\r\n\r\n".utf8)
    var all: [UInt8] = []
    for _ in 0..<200 { all += request + live }
    try client.send(all)
    for _ in 0..<200 {
      #expect(try client.reply()?.body.count ?? 0 > 100)
      #expect(try client.reply()?.text == #"{"live":true}"#)
    }
    try client.send("GET /v2/health/live HTTP/1.1\r\nConnection: close\r\n\r\n")
    #expect(try client.reply()?.head.keepsAlive == false)
    #expect(try client.reply() == nil)
    let old = try TestClient(server.repository.socket)
    try old.send("GET /v2/health/live HTTP/1.0\r\n\r\n")
    #expect(try old.reply()?.status == 200)
    #expect(try old.reply() == nil)
  }

  @Test func understandsRequestsByteByByte() throws {
    let server = try digits()
    let client = try TestClient(server.repository.socket)
    for byte in TestClient.binary(try TestRepository.picture(5)) { try client.send([byte]) }
    #expect(try client.reply()?.status == 200)
    for byte in Array("GET /v2/health/live HTTP/1.1\r\n\r\n".utf8) { try client.send([byte]) }
    #expect(try client.reply()?.status == 200)
    #expect(server.server.acceptedCount == 1)
  }

  @Test func survivesClientsThatHangUp() throws {
    let server = try digits()
    let request = TestClient.binary(try TestRepository.picture(5))
    let before = server.budget.reservedByteCount
    for count in stride(from: 0, to: request.count, by: 7) {
      let client = try TestClient(server.repository.socket)
      // On a busy machine one may be refused: that closes the connection while it sends.
      try? client.send(Array(request[..<count]))
      // A busy machine must not see more of them at once than the server takes.
      #expect(server.wait { server.server.connectionCount < 16 })
    }
    for _ in 0..<50 {
      try? TestClient(server.repository.socket).send(request)
      #expect(server.wait { server.server.connectionCount < 16 })
    }
    // Who is answered was accepted after all of them.
    #expect(server.wait { (try? TestClient(server.repository.socket).get("/v2/health/live")?.status) == 200 })
    #expect(server.wait { server.server.connectionCount == 0 })
    let client = try TestClient(server.repository.socket)
    try client.send(request)
    #expect(try client.reply()?.status == 200)
    #expect(try client.post("/v2/repository/models/digits/load")?.status == 200)  // gives spare buffers back
    // The client that is connected has its receive buffer.
    #expect(server.budget.reservedByteCount <= before + 4096 + ServingLimits.receiveBufferBytes)
  }

  @Test func refusesWhenTheQueueIsFull() throws {
    let server = try digits { $0.limits.queuedRequestsMax = 2 }
    let gate = server.block()
    let request = TestClient.binary(try TestRepository.picture(5))
    let waiting = try (0..<2).map { _ in try TestClient(server.repository.socket) }
    for client in waiting { try client.send(request) }
    #expect(server.wait { server.server.scheduler.queuedCount == 2 })
    let late = try TestClient(server.repository.socket)
    try late.send(request)
    let refusal = try late.reply()
    #expect(refusal?.status == 503 && refusal?.head.retryAfterSeconds == 1 && refusal?.head.keepsAlive == true)
    // The loop answers while the worker is busy.
    #expect(try late.get("/v2/health/ready")?.status == 200)
    #expect(try late.get("/metrics")?.text.contains(#"pending_request_count{model="digits",version="1"} 2"#) == true)
    // A client that hangs up leaves the queue.
    waiting[0].hangUp()
    #expect(server.wait { server.server.scheduler.queuedCount == 1 })
    gate.open()
    #expect(try waiting[1].reply()?.status == 200)
    try late.send(request)
    #expect(try late.reply()?.status == 200)
  }

  @Test func honoursTimeouts() throws {
    let server = try digits()
    let gate = server.block()
    let client = try TestClient(server.repository.socket)
    let request = TestClient.json(try TestRepository.picture(0), parameters: #"{"timeout":20000}"#)
    let refusal = try client.post("/v2/models/digits/infer", request)
    #expect(refusal?.status == 503 && refusal?.text.contains("20000 µs") == true)
    #expect(server.server.scheduler.queuedCount == 0)
    gate.open()
    #expect(try client.post("/v2/models/digits/infer", request)?.status == 200)
  }

  @Test func neverTakesMoreClientsThanItMay() throws {
    let server = try digits {
      $0.limits.connectionsMax = 2
      $0.limits.queuedRequestsMax = 2
    }
    let first = try TestClient(server.repository.socket)
    let second = try TestClient(server.repository.socket)
    #expect(try first.get("/v2/health/live")?.status == 200)
    #expect(try second.get("/v2/health/live")?.status == 200)
    let third = try TestClient(server.repository.socket)
    #expect(try third.reply()?.status == 503)
    #expect(try third.reply() == nil)
    #expect(try first.get("/v2/health/live")?.status == 200)
    second.hangUp()
    #expect(server.wait { server.server.connectionCount == 1 })
    #expect(try TestClient(server.repository.socket).get("/v2/health/live")?.status == 200)
  }

  @Test func refusesBodiesThatDoNotFitTheBudget() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files, budgetBytes: 4 << 20) { $0.limits.bodyBytesMax = 64 << 20 }
    let client = try TestClient(files.socket)
    let refusal = try client.post("/v2/models/digits/infer", String(repeating: " ", count: 8 << 20))
    #expect(refusal?.status == 507 && refusal?.text.contains("least_memory_budget_bytes") == true)
    #expect(try client.get("/v2/health/live")?.status == 200)
    try client.send("POST /v2/models/digits/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    var status: Int?
    do {
      for _ in 0..<128 { try client.send("10000\r\n" + String(repeating: " ", count: 65536) + "\r\n") }
    } catch {}
    status = try client.reply()?.status
    #expect(status == 507)
    let other = try TestClient(files.socket)
    try other.send(TestClient.binary(try TestRepository.picture(1)))
    #expect(try other.reply()?.status == 200)
    #expect(server.budget.peakReservedByteCount <= 4 << 20)
  }
}
