import Foundation
import System
import Testing

@testable import Serving

/// Reading the configuration again, and going when nobody asks.
@Suite struct ServiceTests {
  private func labels(_ client: TestClient, _ name: String) throws -> String {
    let text = try client.get("/v2/models/\(name)/config")?.text ?? ""
    return text.contains(#""one""#) ? "words" : text.contains(#""1""#) ? "figures" : "none"
  }

  private func write(_ files: TestRepository, _ name: String, _ text: String) throws {
    try files.write(text, to: "models/\(name)/config.json")
  }

  private static let figures = #"{"labels":["0","1","2","3","4","5","6","7","8","9"]}"#

  @Test(.timeLimit(.minutes(2))) func reloadsAllOrNothing() throws {
    let files = try TestRepository()
    for name in ["a", "b", "c"] { try files.addModel(name, configuration: TestRepository.digitLabels) }
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    let before = server.server.repository.loadedModels
    // The connection's buffers are there from its first request on.
    #expect(try labels(client, "a") == "words")
    let reserved = server.budget.reservedByteCount
    func reload() {
      let gate = server.block()
      server.server.reload()
      #expect(server.wait { server.server.isReloading })
      gate.open()
      #expect(server.wait { !server.server.isReloading })
    }
    // Nothing has changed: nothing is loaded anew.
    reload()
    #expect(server.server.repository.loadedModels.elementsEqual(before) { $0 === $1 })
    // One of them cannot be read: the other stays as it is, too.
    try write(files, "a", ServiceTests.figures)
    try write(files, "b", #"{"labels":7}"#)
    reload()
    #expect(server.server.repository.loadedModels.elementsEqual(before) { $0 === $1 })
    #expect(try labels(client, "a") == "words" && labels(client, "b") == "words")
    #expect(server.wait { server.budget.reservedByteCount <= reserved })
    // All of them can.
    try write(files, "b", "{}")
    reload()
    #expect(try labels(client, "a") == "figures" && labels(client, "b") == "none" && labels(client, "c") == "words")
    let after = server.server.repository.loadedModels
    #expect(after[0] !== before[0] && after[1] !== before[1] && after[2] === before[2])
    #expect(server.server.repository.entries.allSatisfy { $0.pendingLoads == 0 })
    #expect(try client.post("/v2/models/a/infer", TestClient.json(try TestRepository.picture(0)))?.status == 200)
  }

  @Test(.timeLimit(.minutes(2))) func whatIsUnloadedMeanwhileStaysSo() throws {
    let files = try TestRepository()
    try files.addModel(configuration: TestRepository.digitLabels)
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    try write(files, "digits", ServiceTests.figures)
    let gate = server.block()
    server.server.reload()
    #expect(server.wait { server.server.isReloading })
    try client.send("POST /v2/repository/models/digits/unload HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
    #expect(server.wait { server.server.repository.loadedModels.isEmpty })
    gate.open()
    #expect(try client.reply()?.status == 200)
    #expect(server.wait { !server.server.isReloading })
    #expect(server.server.repository.loadedModels.isEmpty)
  }

  @Test(.timeLimit(.minutes(2))) func goesWhenNobodyAsks() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files) { $0.idleExitNanoseconds = 300_000_000 }
    let client = try TestClient(files.socket)
    // A request in the queue is no idleness, however long it takes.
    let gate = server.block()
    let body = TestClient.json(try TestRepository.picture(0))
    try client.send(TestClient.request("/v2/models/digits/infer", Array(body.utf8)))
    #expect(server.wait { server.server.scheduler.queuedCount > 0 })
    Futex().wait(while: 0, timeoutNanoseconds: 600_000_000)
    #expect(!server.server.isStopping)
    gate.open()
    #expect(try client.reply()?.status == 200)
    #expect(server.join())
    #expect(throws: SystemError.self) { try FileSystem.status(of: files.socket) }
  }
}
