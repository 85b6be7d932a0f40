import System
import Testing

@testable import Serving

@Suite struct LifetimeTests {
  func digits() throws -> TestServer {
    let files = try TestRepository()
    try files.addModel()
    return try TestServer(files)
  }

  @Test func drainsBeforeItStops() throws {
    let server = try digits()
    let gate = server.block()
    let request = TestClient.binary(try TestRepository.picture(5))
    let busy = try TestClient(server.repository.socket)
    try busy.send(request)
    let half = try TestClient(server.repository.socket)
    try half.send(Array(request[..<100]))
    let idle = try TestClient(server.repository.socket)
    #expect(try idle.get("/v2/health/ready")?.status == 200)
    #expect(server.wait { server.server.scheduler.queuedCount == 1 && server.server.connectionCount == 3 })
    server.server.stop()
    #expect(try idle.reply() == nil)
    // Nobody new is let in, and the path is free for a successor.
    #expect(throws: SystemError.self) { try TestClient(server.repository.socket) }
    #expect(throws: SystemError.self) { try FileSystem.status(of: server.repository.socket) }
    try half.send(Array(request[100...]))
    gate.open()
    let answer = try busy.reply()
    #expect(answer?.status == 200 && answer?.head.keepsAlive == false)
    #expect(try half.reply()?.status == 200)
    #expect(server.join())
  }

  @Test func aSecondStopCuts() throws {
    let server = try digits()
    let gate = server.block()
    let busy = try TestClient(server.repository.socket)
    try busy.send(TestClient.binary(try TestRepository.picture(5)))
    #expect(server.wait { server.server.scheduler.queuedCount == 1 })
    server.server.stop()
    server.server.stop()
    #expect(!server.join())
    gate.open()
  }

  @Test func aDrainIsBounded() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files) { $0.limits.drainMilliseconds = 50 }
    let half = try TestClient(files.socket)
    try half.send("POST /v2")
    #expect(server.wait { server.server.connectionCount == 1 })
    server.server.stop()
    #expect(!server.join())
  }

  @Test func replacesAStaleSocketAndRefusesALiveOne() throws {
    let files = try TestRepository()
    try files.addModel()
    do {
      // A socket that nobody answers at: its owner is gone, its file stays.
      let abandoned = try Socket(listeningAt: files.socket)
      _ = consume abandoned
    }
    #expect(try FileSystem.status(of: files.socket).isSocket)
    let server = try TestServer(files)
    #expect(try TestClient(files.socket).get("/v2/health/live")?.status == 200)
    let error = #expect(throws: ServingError.self) { try TestServer(files) }
    #expect(error?.message.contains("already") == true)
    #expect(try TestClient(files.socket).get("/v2/health/live")?.status == 200)
    server.server.stop()
    #expect(server.join())
    #expect(throws: SystemError.self) { try FileSystem.status(of: files.socket) }
  }

  @Test func refusesAPathThatIsNoSocket() throws {
    let files = try TestRepository()
    try files.write("precious", to: "socket")
    let error = #expect(throws: ServingError.self) { try TestServer(files) }
    #expect(error?.message.contains("not a socket") == true)
    #expect(try File.bytes(of: files.socket, limit: 100) == Array("precious".utf8))
  }

  @Test func refusesADirectoryThatIsNotThere() throws {
    let files = try TestRepository()
    #expect(throws: ServingError.self) { try TestServer(files) { $0.modelsDirectory = "/nowhere" } }
    #expect(throws: SystemError.self) { try FileSystem.status(of: files.socket) }
  }
}
