import Importing
import Memory
import ModelFile
import Protocols
import Runtime
import System
import TestSupport
import Testing

@testable import Serving

extension TestServer {
  func wait(seconds: Int, until condition: () -> Bool) -> Bool {
    let end = Clock.nowNanoseconds + Int64(seconds) * 1_000_000_000
    while !condition() {
      if Clock.nowNanoseconds > end { return false }
      Futex().wait(while: 0, timeoutNanoseconds: 5_000_000)
    }
    return true
  }

  /// Until the worker has nothing to do.
  func settle() { block().open() }
}

extension TestRepository {
  /// A network as a model of this repository, compressed, so that weights can be streamed.
  func addNetwork(_ name: String, _ model: ImportedModel, version: Int = 1) throws {
    try FileSystem.createDirectory(models + "/" + name)
    try FileSystem.createDirectory(models + "/" + name + "/\(version)")
    _ = try ModelFileWriter.write(
      model.graph, payloads: model.payloads, to: models + "/" + name + "/\(version)/model.thimble",
      compression: .always)
  }

  /// Networks with some weights, or none where the shared files are absent.
  static let networks: [ImportedModel] = {
    let names = ["ad01_int8", "vww_96_int8", "mobilenet_v1_0.25_128_quant", "kws_ref_model"]
    return SharedFiles.models.filter { path in names.contains { path.contains($0) } }
      .compactMap { path in (try? SharedFiles.bytes(path)).flatMap { try? importModel($0) } }
  }()
}

@Suite struct ResidencyTests {
  /// A request with raw bytes for a model of one input, answered with raw bytes.
  func request(_ name: String, _ session: Session.Port, seed: UInt64) -> [UInt8] {
    var random = XorShift(seed)
    let bytes = random.bytes(session.byteCount)
    let shape = session.shape.dimensions.map { "\($0)" }.joined(separator: ",")
    let json = Array(
      (#"{"parameters":{"binary_data_output":true},"inputs":[{"name":"\#(session.name)","shape":[\#(shape)],"#
        + #""datatype":"\#(session.elementType.name)","parameters":{"binary_data_size":\#(bytes.count)}}]}"#).utf8)
    return TestClient.request(
      "/v2/models/\(name)/infer", json + bytes, headers: "Inference-Header-Content-Length: \(json.count)\r\n")
  }

  func resident(_ client: TestClient, _ name: String) throws -> JSON? {
    try JSON(parsing: try client.get("/v2/thimble/models")?.text ?? "")["models"]?.array?.first {
      $0["name"]?.string == name
    }
  }

  func state(_ client: TestClient, _ name: String) throws -> String? { try resident(client, name)?["state"]?.string }

  @Test func unloadingGivesEveryByteBack() throws {
    let files = try TestRepository()
    try files.addModel(configuration: TestRepository.digitLabels)
    let server = try TestServer(files) { $0.initialLoad = .only([]) }
    let client = try TestClient(files.socket)
    #expect(try client.get("/v2/health/live")?.status == 200)
    let before = server.budget.reservedByteCount
    let request = TestClient.binary(try TestRepository.picture(3))
    for _ in 0..<100 {
      #expect(try client.post("/v2/repository/models/digits/load")?.status == 200)
      try client.send(request)
      #expect(try client.reply()?.status == 200)
      #expect(server.budget.reservedByteCount > before)
      #expect(try client.post("/v2/repository/models/digits/unload")?.status == 200)
    }
    #expect(server.budget.reservedByteCount == before)
    for purpose in [MemoryBudget.Purpose.weights, .activations, .decoder, .metadata] {
      #expect(server.budget.reservedByteCount(for: purpose) == 0, "\(purpose.name)")
    }
    #expect(try state(client, "digits") == "unloaded")
    try client.send(request)
    #expect(try client.reply()?.status == 404)
  }

  @Test(.timeLimit(.minutes(1))) func sleepsAndWakes() throws {
    let files = try TestRepository()
    try files.addModel("a", configuration: #"{"keep_alive":"50ms","labels":["x"]}"#)
    try files.addModel("b")
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    let request = TestClient.binary(try TestRepository.picture(3), path: "/v2/models/a/infer")
    #expect(server.wait { (try? self.state(client, "a")) == "asleep" })
    #expect(try state(client, "b") == "loaded")
    // Asleep it is described and ready as ever.
    #expect(try client.get("/v2/models/a/ready")?.status == 200)
    #expect(try client.get("/v2/models/a")?.text.contains(#""shape":[1,8,8,1]"#) == true)
    #expect(try client.get("/v2/models/a/config")?.text.contains(#""labels":["x"]"#) == true)
    #expect(try client.post("/v2/repository/index")?.text.contains("asleep: comes back") == true)
    // What is wrong is refused without waking it.
    #expect(try client.post("/v2/models/a/infer", "{}")?.status == 400)
    #expect(try state(client, "a") == "asleep")
    try client.send(request)
    let answer = try client.reply()
    #expect(answer?.status == 200)
    #expect(server.wait { (try? self.state(client, "a")) == "asleep" })
    // It is the file that was loaded, whatever is at its path now.
    try files.write("THIMBLE", to: "models/a/1/new")
    try FileSystem.rename(files.models + "/a/1/new", to: files.models + "/a/1/model.thimble")
    try client.send(request)
    #expect(try client.reply()?.body == answer?.body)
    let metrics = try client.get("/metrics")?.text ?? ""
    #expect(metrics.contains("thimble_model_wakes_total 2\n"))
    // A load means the path again.
    #expect(try client.post("/v2/repository/models/a/load")?.status == 500)
  }

  @Test func requestsOfASleepingModelKeepToTheirLimits() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files) { $0.limits.queuedRequestsMax = 2 }
    let model = try #require(server.server.repository.loadedModels.first)
    #expect(
      server.server.scheduler.submit(
        SleepJob([model], residents: server.server.residents, keepAlive: .init(seconds: 0)), limit: 1))
    #expect(server.wait { model.residency.state == .asleep })
    let gate = server.block()
    let waiting = try (0..<2).map { _ in try TestClient(files.socket) }
    for client in waiting { try client.send(TestClient.binary(try TestRepository.picture(5))) }
    #expect(server.wait { server.server.scheduler.queuedCount == 2 })
    let late = try TestClient(files.socket)
    try late.send(TestClient.binary(try TestRepository.picture(5)))
    #expect(try late.reply()?.status == 503)
    waiting[1].hangUp()
    #expect(server.wait { server.server.scheduler.queuedCount == 1 })
    let hasty = TestClient.json(try TestRepository.picture(0), parameters: #"{"timeout":20000}"#)
    #expect(try late.post("/v2/models/digits/infer", hasty)?.status == 503)
    #expect(model.residency.state == .asleep)
    gate.open()
    #expect(try waiting[0].reply()?.status == 200)
    #expect(model.residency.state == .awake && model.residency.pendingCount == 0)
  }

  @Test func aFileThatIsWrittenToIsNotServed() throws {
    let files = try TestRepository()
    try files.addModel(configuration: #"{"keep_alive":0}"#)
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    #expect(server.wait { (try? self.state(client, "digits")) == "asleep" })
    try files.write([UInt8](repeating: 7, count: 30_000), to: "models/digits/1/model.thimble")
    try client.send(TestClient.binary(try TestRepository.picture(3)))
    #expect(try client.reply()?.status == 500)
    #expect(try state(client, "digits") == "asleep")
  }

  @Test func readsKeepAlive() throws {
    #expect(KeepAlive("5m") == KeepAlive(seconds: 300) && KeepAlive("90") == KeepAlive("90s"))
    #expect(KeepAlive("2h") == KeepAlive(seconds: 7200) && KeepAlive("0")?.nanoseconds == 0)
    #expect(KeepAlive("forever") == .forever && KeepAlive(seconds: -1) == .forever && KeepAlive("-1") == .forever)
    #expect(KeepAlive("500ms")?.nanoseconds == 500_000_000)
    #expect(KeepAlive("9223372036854775807h") == .forever && KeepAlive(seconds: Int64.max) == .forever)
    for wrong in ["", "m", "5d", "-5", "1.5h", "5 m", "99999999999999999999", "forever!"] {
      #expect(KeepAlive(wrong) == nil, "\(wrong)")
    }
    func configuration(_ text: String) throws -> ModelConfiguration {
      try Array(text.utf8).withUnsafeBytes { try ModelConfiguration(parsing: $0) }
    }
    #expect(try configuration(#"{"keep_alive":"5m"}"#).keepAlive == KeepAlive(seconds: 300))
    #expect(try configuration(#"{"keep_alive":60}"#).keepAlive == KeepAlive(seconds: 60))
    #expect(try configuration("{}").keepAlive == nil)
    for wrong in [#"{"keep_alive":"x"}"#, #"{"keep_alive":true}"#, #"{"keep_alive":[]}"#, #"{"keep_alive":1.5}"#] {
      #expect(throws: ProtocolError.self) { try configuration(wrong) }
    }
  }

  // MARK: Many models, one budget

  /// Answers of every network from a server with all the memory it wants, what it reserved, and the least budget to have.
  func unconstrained(_ files: TestRepository) throws -> (requests: [[UInt8]], answers: [[UInt8]], byteCount: Int) {
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    var requests: [[UInt8]] = []
    var answers: [[UInt8]] = []
    for model in server.server.repository.loadedModels {
      requests.append(request(model.name, model.inputs[0], seed: 11))
      try client.send(requests[requests.count - 1])
      let reply = try #require(try client.reply())
      #expect(reply.status == 200, "\(reply.text)")
      answers.append(reply.body)
    }
    let byteCount = server.budget.reservedByteCount
    client.hangUp()
    server.server.stop()
    #expect(server.join())
    return (requests, answers, byteCount)
  }

  /// What a server reserves that has loaded nothing.
  func bare(_ files: TestRepository) throws -> Int {
    let server = try TestServer(files) { $0.initialLoad = .only([]) }
    defer {
      server.server.stop()
      #expect(server.join())
    }
    return server.budget.reservedByteCount
  }

  @Test(.enabled(if: SharedFiles.arePresent), .timeLimit(.minutes(2)), arguments: [90, 70, 50])
  func manyModelsShareASmallBudget(_ percent: Int) throws {
    let files = try TestRepository()
    for (index, network) in TestRepository.networks.enumerated() { try files.addNetwork("m\(index)", network) }
    let (requests, answers, most) = try unconstrained(files)
    let least = try bare(files)
    let limit = least + (most - least) * percent / 100
    let server = try TestServer(files, budgetBytes: limit)
    let client = try TestClient(files.socket)
    for turn in 0..<6 {
      for (request, answer) in zip(requests, answers) {
        try client.send(request)
        let reply = try client.reply()
        #expect(reply?.status == 200, "turn \(turn): \(reply?.text ?? "")")
        #expect(reply?.body == answer, "turn \(turn)")
      }
    }
    #expect(server.budget.peakReservedByteCount <= limit)
    client.hangUp()
    server.server.stop()
    #expect(server.join())
  }

  /// Models that take turns and whose weights do not all fit come to rest: some stream, nobody sleeps, nothing changes.
  @Test(.enabled(if: SharedFiles.arePresent), .timeLimit(.minutes(2))) func takingTurnsSettles() throws {
    let files = try TestRepository()
    let path = try #require(SharedFiles.models.first { $0.contains("/mobilenet_v2") })
    let network = try importModel(try SharedFiles.bytes(path))
    for index in 0..<3 { try files.addNetwork("m\(index)", network) }
    let (requests, answers, most) = try unconstrained(files)
    let least = try bare(files)
    let server = try TestServer(files, budgetBytes: least + (most - least) * 6 / 10)
    let client = try TestClient(files.socket)
    var counts: [ModelResidents.Counts] = []
    for _ in 0..<4 {
      for (request, answer) in zip(requests, answers) {
        try client.send(request)
        let reply = try client.reply()
        #expect(reply?.status == 200 && reply?.body == answer, "\(reply?.status == 200 ? "" : reply?.text ?? "")")
      }
      counts.append(server.server.residents.counters)
    }
    #expect(counts[3].sleeps == counts[0].sleeps && counts[3].resizes == counts[0].resizes, "\(counts)")
    let models = server.server.residents.models.map { $0.residency }
    #expect(models.count == 3)
    #expect(models.contains { $0.cacheByteCount < $0.cacheByteCountMax })
    #expect(server.budget.availableByteCount < models[0].cacheByteCountMax / 2)
  }

  /// A body that finds the budget full of models' weights waits until they have made room.
  @Test(.enabled(if: SharedFiles.arePresent)) func bodiesFindRoomAtTheModelsExpense() throws {
    let files = try TestRepository()
    for (index, network) in TestRepository.networks.enumerated() { try files.addNetwork("m\(index)", network) }
    try files.addModel()
    let roomy = try TestServer(files)
    let full = roomy.budget.reservedByteCount
    roomy.server.stop()
    #expect(roomy.join())
    let server = try TestServer(files, budgetBytes: full + (256 << 10))
    let client = try TestClient(files.socket)
    // Twice what is free, of known and of unknown length.
    let picture = TestClient.json(try TestRepository.picture(4)) + String(repeating: " ", count: 600 << 10)
    #expect(server.budget.availableByteCount < 600 << 10)
    let reply = try client.post("/v2/models/digits/infer", picture)
    #expect(reply?.status == 200, "\(reply?.text ?? "")")
    #expect(server.server.residents.counters.sleeps + server.server.residents.counters.resizes > 0)
    try client.send("POST /v2/models/digits/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    var rest = Array(picture.utf8)[...]
    while !rest.isEmpty {
      let piece = rest.prefix(40_000)
      try client.send(Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Array("\r\n".utf8))
      rest = rest.dropFirst(piece.count)
    }
    try client.send("0\r\n\r\n")
    #expect(try client.reply()?.status == 200)
    // So do clients: each has a receive buffer.
    let others = try (0..<40).map { _ in try TestClient(files.socket) }
    for other in others { #expect(try other.get("/v2/health/live")?.status == 200) }
    #expect(server.budget.peakReservedByteCount <= full + (256 << 10))
  }

  @Test(.enabled(if: SharedFiles.arePresent)) func whoHangsUpWaitsForNoRoom() throws {
    let files = try TestRepository()
    try files.addNetwork("m", TestRepository.networks[0])
    let roomy = try TestServer(files)
    let full = roomy.budget.reservedByteCount
    roomy.server.stop()
    #expect(roomy.join())
    let server = try TestServer(files, budgetBytes: full + (512 << 10))
    let model = try #require(server.server.residents.models.first).residency
    #expect(model.cacheByteCount - model.cacheByteCountMin > 4096 + ServingLimits.receiveBufferBytes)
    let gate = server.block()
    for _ in 0..<3 {
      let client = try TestClient(files.socket)
      // A page more than is free even where the client's own buffer is counted already; the model can give that much.
      let byteCount = server.budget.availableByteCount / 4096 * 4096 + 4096
      try client.send("POST /v2/models/m/infer HTTP/1.1\r\nContent-Length: \(byteCount)\r\n\r\n")
      #expect(server.wait { server.server.scheduler.queuedCount == 1 })
      client.hangUp()
      #expect(server.wait { server.server.scheduler.queuedCount == 0 && server.server.connectionCount == 0 })
    }
    gate.open()
    #expect(try TestClient(files.socket).get("/v2/health/ready")?.status == 200)
  }

  @Test func clientsAreRefusedWhereNobodyCanMakeRoom() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files) { $0.initialLoad = .only([]) }
    let client = try TestClient(files.socket)
    #expect(try client.get("/v2/health/live")?.status == 200)
    do {
      let rest = try server.budget.reserve(server.budget.availableByteCount, for: .program)
      // There is always memory for one more client.
      let last = try TestClient(files.socket)
      #expect(try last.get("/v2/health/live")?.status == 200)
      let refused = try TestClient(files.socket)
      #expect(try refused.reply()?.status == 503)
      #expect(try client.get("/v2/health/live")?.status == 200)
      _ = consume rest
    }
    #expect(try TestClient(files.socket).get("/v2/health/live")?.status == 200)
  }

  @Test func aReplacedModelGivesItsMemoryBack() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    #expect(try client.post("/v2/repository/models/digits/load")?.status == 200)
    let before = server.budget.reservedByteCount
    for _ in 0..<5 {
      // The same bytes in a new file.
      try files.addModel("other")
      try FileSystem.rename(
        files.models + "/other/1/model.thimble", to: files.models + "/digits/1/model.thimble")
      #expect(try client.post("/v2/repository/models/digits/load")?.status == 200)
      try client.send(TestClient.binary(try TestRepository.picture(2)))
      #expect(try client.reply()?.status == 200)
    }
    server.settle()
    #expect(try client.post("/v2/repository/models/digits/load")?.status == 200)
    #expect(server.budget.reservedByteCount == before)
    #expect(server.server.residents.models.count == 1)
  }
}
