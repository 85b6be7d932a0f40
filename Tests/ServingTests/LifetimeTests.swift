import Glibc
import Memory
import Runtime
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

  @Test(.timeLimit(.minutes(1))) func refusesASocketWhoseQueueIsFull() throws {
    let files = try TestRepository()
    let busy = try Socket(listeningAt: files.socket, backlog: 0)
    let waiting = try TestClient(files.socket)
    let error = #expect(throws: ServingError.self) { try TestServer(files) }
    #expect(error?.message.contains("already") == true)
    #expect(try FileSystem.status(of: files.socket).isSocket)
    waiting.hangUp()
    _ = consume busy
  }

  @Test func onlyOneStartHasThePath() throws {
    let files = try TestRepository()
    try files.addModel()
    do {
      // Another that has not come to listen yet: neither is there a socket, nor does anybody answer.
      let claim = try Listener.claim(files.socket)
      let error = #expect(throws: ServingError.self) { try TestServer(files) }
      #expect(error?.message.contains("already") == true)
      _ = consume claim
    }
    let server = try TestServer(files)
    #expect(throws: ServingError.self) { _ = try Listener.claim(files.socket) }
    #expect(try TestClient(files.socket).get("/v2/health/live")?.status == 200)
    server.server.stop()
    #expect(server.join())
    let successor = try TestServer(files)
    #expect(try TestClient(files.socket).get("/v2/health/live")?.status == 200)
    _ = successor
  }

  @Test(.timeLimit(.minutes(1))) func pipesInTheRepositoryAreRefused() throws {
    let files = try TestRepository()
    try files.addModel("good")
    try files.addModel("bad")
    #expect(mkfifo(files.models + "/bad/config.json", 0o600) == 0)
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    #expect(try client.get("/v2/models/good/ready")?.status == 200)
    let refusal = try client.post("/v2/repository/models/bad/load")
    #expect(refusal?.status == 500 && refusal?.text.contains("not a regular file") == true)
    // A pipe is no version; one that takes a version's place after the listing is refused once it is opened.
    let pipe = files.models + "/bad/1/model.thimble"
    try FileSystem.remove(pipe)
    #expect(mkfifo(pipe, 0o600) == 0)
    #expect(try ModelDirectory(files.models).versions(of: "bad") == [])
    let loader = server.server.loader
    let error = #expect(throws: ServingError.self) {
      try loader.load(
        name: "bad", version: 1, path: pipe, configuration: ModelConfiguration(),
        claims: ModelClaims(requestByteCount: 0))
    }
    #expect(error?.message.contains("not a regular file") == true)
  }

  func unstarted(_ files: TestRepository, signals: consuming TerminationSignals? = nil) throws -> Server {
    var configuration = ServerConfiguration(
      socketPath: files.socket, modelsDirectory: files.models, version: "test")
    configuration.isQuiet = true
    let budget = MemoryBudget(limitByteCount: 64 << 20)
    return try Server(
      configuration, kernels: .best, pool: try ThreadPool(threadCount: 1, budget: budget), budget: budget,
      signals: signals)
  }

  @Test func aStopEndsAStart() throws {
    let files = try TestRepository()
    for name in ["a", "b", "c"] { try files.addModel(name) }
    let server = try unstarted(files)
    server.stop()
    let error = #expect(throws: ServingError.self) { try server.start() }
    #expect(error?.message == "the server is stopping" && server.repository.loadedModels.isEmpty)
    #expect(throws: SystemError.self) { try FileSystem.status(of: files.socket) }
  }

  @Test func aSignalEndsAStart() throws {
    let files = try TestRepository()
    for name in ["a", "b", "c"] { try files.addModel(name) }
    var before = sigset_t()
    pthread_sigmask(SIG_BLOCK, nil, &before)
    let server = try unstarted(files, signals: try TerminationSignals())
    raise(SIGTERM)
    let error = #expect(throws: ServingError.self) { try server.start() }
    #expect(error?.message == "the server is stopping" && server.repository.loadedModels.isEmpty)
    pthread_sigmask(SIG_SETMASK, &before, nil)
  }
}
