import System
import Testing

@testable import Serving

/// Clients that take their time.
@Suite struct TransferTests {
  @Test func aTransferHasAPieceAndATotalDeadline() {
    let second: Int64 = 1_000_000_000
    var transfer = TransferDeadline(patienceMilliseconds: 30_000, now: 0)
    #expect(transfer.next(after: 0, now: 0) == 30 * second)
    // A byte now and then earns nothing, a MiB a second.
    #expect(transfer.next(after: 1, now: 29 * second) < 30 * second + 10_000)
    #expect(transfer.next(after: 64 << 20, now: 29 * second) == 59 * second)
    #expect(transfer.next(after: 0, now: 80 * second) / second == 94)
  }

  @Test(.timeLimit(.minutes(1)), arguments: ["Content-Length: 1000", "Transfer-Encoding: chunked"])
  func aTricklingBodyIsGivenUp(_ framing: String) throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files) { $0.limits.transferMilliseconds = 300 }
    let client = try TestClient(files.socket)
    #expect(try client.get("/v2/health/live")?.status == 200)
    let start = Clock.nowNanoseconds
    try client.send("POST /v2/models/digits/infer HTTP/1.1\r\nHost: x\r\n\(framing)\r\n\r\n")
    var isGivenUp = false
    // Never 300 ms without a byte.
    for _ in 0..<1000 where !isGivenUp {
      do { try client.send(framing.hasPrefix("C") ? " " : "1\r\n \r\n") } catch { isGivenUp = true }
      Futex().wait(while: 0, timeoutNanoseconds: 20_000_000)
    }
    #expect(isGivenUp && Clock.nowNanoseconds - start >= 290_000_000)
    #expect(server.wait { server.server.connectionCount == 0 })
  }

  @Test(.timeLimit(.minutes(1))) func anAbandonedLoadIsStillDone() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files) { $0.initialLoad = .only([]) }
    let gate = server.block()
    let client = try TestClient(files.socket)
    try client.send(TestClient.request("/v2/repository/models/digits/load", []))
    #expect(server.wait { server.server.scheduler.queuedCount == 1 })
    client.hangUp()
    #expect(server.wait { server.server.connectionCount == 0 })
    let other = try TestClient(files.socket)
    #expect(try other.post("/v2/repository/index")?.text.contains("LOADING") == true)
    gate.open()
    #expect(server.wait { (try? other.get("/v2/models/digits/ready")?.status) == 200 })
    #expect(try other.post("/v2/repository/index")?.text.contains("LOADING") == false)
  }
}
