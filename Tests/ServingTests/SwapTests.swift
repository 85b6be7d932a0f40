import Foundation
import Importing
import Memory
import Protocols
import System
import TestSupport
import Testing

@testable import Serving

/// One version takes another one's place while clients ask.
@Suite struct SwapTests {
  private static let load = "/v2/repository/models/digits/load"

  private func infer() throws -> [UInt8] { TestClient.binary(try TestRepository.picture(0)) }

  /// Moves a version that lies beside the repository into place.
  private func publish(_ files: TestRepository, _ version: Int, damage: ((inout [UInt8]) -> Void)? = nil) throws {
    try files.addModel("staged", version: version)
    let from = files.models + "/staged/\(version)"
    if let damage {
      var bytes = try File.bytes(of: from + "/model.thimble", limit: 1 << 20)
      damage(&bytes)
      try FileSystem.remove(from + "/model.thimble")
      try files.write(bytes, to: "models/staged/\(version)/model.thimble")
    }
    try FileSystem.rename(from, to: files.models + "/digits/\(version)")
    try FileSystem.removeDirectory(files.models + "/staged")
  }

  @Test(.timeLimit(.minutes(2))) func swapsUnderLoadWithoutAFailure() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let clients = try (0..<3).map { _ in try BusyClient(files.socket, try infer()) }
    let client = try TestClient(files.socket)
    for version in 2..<22 {
      switch version % 4 {
      // A byte of the weights is another one; a file that is cut off: the old version goes on.
      case 0: try publish(files, version) { $0[$0.count - 200] ^= 1 }
      case 1: try publish(files, version) { $0.removeLast(100) }
      default: try publish(files, version)
      }
      let reply = try client.post(SwapTests.load)
      #expect(reply?.status == (version % 4 < 2 ? 500 : 200), "\(version): \(reply?.text ?? "")")
      // Who asked is gone before the answer.
      let hasty = try TestClient(files.socket)
      try hasty.send(TestClient.request(SwapTests.load, []))
      hasty.hangUp()
      let expected = version % 4 < 2 ? version - 1 - version % 4 : version
      let serving = server.server.repository.loaded("digits").map { $0.version }
      #expect(serving == [expected] || version % 4 < 2, "\(serving)")
      if version % 4 < 2 { try FileManager.default.removeItem(atPath: files.models + "/digits/\(version)") }
    }
    let replies = clients.flatMap { $0.finish() }
    #expect(replies.count > 20 && replies.allSatisfy { $0?.status == 200 })
    #expect(server.wait { server.server.residents.models.count == 1 })
  }

  @Test(.timeLimit(.minutes(1))) func whatWaitsForItsTimeIsAnsweredByTheOldVersion() throws {
    let files = try TestRepository()
    try files.addModel(configuration: #"{"rate":20}"#)
    let server = try TestServer(files)
    let clients = try (0..<6).map { _ in try TestClient(files.socket) }
    for client in clients { try client.send(try infer()) }
    #expect(server.wait { server.server.repository.loaded("digits")[0].residency.pendingCount > 0 })
    try publish(files, 2)
    #expect(try TestClient(files.socket).post(SwapTests.load)?.status == 200)
    for client in clients { #expect(try client.reply()?.status == 200) }
    for client in clients { try client.send(try infer()) }
    #expect(try TestClient(files.socket).post("/v2/repository/models/digits/unload")?.status == 200)
    for client in clients { #expect([200, 404].contains(try client.reply()?.status)) }
    #expect(server.wait { server.server.residents.models.isEmpty })
  }

  @Test(.timeLimit(.minutes(1))) func unloadedWhileItLoadsItStaysAway() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let (loading, unloading) = (try TestClient(files.socket), try TestClient(files.socket))
    try publish(files, 2)
    let gate = server.block()
    try loading.send(TestClient.request(SwapTests.load, []))
    #expect(server.wait { server.server.repository.entries[0].pendingLoads == 1 })
    try unloading.send(TestClient.request("/v2/repository/models/digits/unload", []))
    #expect(server.wait { server.server.repository.entries[0].loaded.isEmpty })
    gate.open()
    #expect(try loading.reply()?.status == 404)
    #expect(try unloading.reply()?.status == 200)
    #expect(server.wait { server.server.residents.models.isEmpty })
    #expect(try unloading.get("/v2/models/digits/ready")?.status == 404)
    #expect(try unloading.post(SwapTests.load)?.status == 200)
    #expect(try unloading.get("/v2/models/digits/versions/2/ready")?.status == 200)
  }

  @Test(.enabled(if: SharedFiles.arePresent), .timeLimit(.minutes(2)), arguments: [115, 80])
  func swapsWhereBothDoNotFit(_ percent: Int) throws {
    let files = try TestRepository()
    let path = try #require(SharedFiles.models.first { $0.contains("/mobilenet_v2") })
    let network = try importModel(try SharedFiles.bytes(path))
    try files.addNetwork("m", network)
    let (requests, answers, most) = try ResidencyTests().unconstrained(files)
    let least = try ResidencyTests().bare(files)
    let server = try TestServer(files, budgetBytes: least + (most - least) * percent / 100)
    let busy = try BusyClient(files.socket, requests[0])
    let client = try TestClient(files.socket)
    for version in 2..<6 {
      try files.addNetwork("m", network, version: version)
      let reply = try client.post("/v2/repository/models/m/load")
      #expect(reply?.status == 200, "\(reply?.text ?? "")")
      #expect(server.server.repository.loaded("m").map { $0.version } == [version])
    }
    let replies = busy.finish()
    #expect(!replies.isEmpty)
    for reply in replies {
      #expect(reply?.status == 200, "\(reply?.text ?? "none")")
      // The version's number apart, the bytes are the same.
      #expect(reply?.body.suffix(1000) == answers[0].suffix(1000))
    }
    #expect(server.budget.peakReservedByteCount <= server.budget.limitByteCount)
  }

  /// What could not run even alone leaves the old version serving, which may have slept meanwhile.
  @Test(.enabled(if: SharedFiles.arePresent), .timeLimit(.minutes(2))) func whatNeverFitsLeavesTheOldOne() throws {
    let files = try TestRepository()
    func network(_ name: String) throws -> ImportedModel {
      try importModel(try SharedFiles.bytes(try #require(SharedFiles.models.first { $0.contains(name) })))
    }
    try files.addNetwork("m", try network("kws_ref_model"))
    let (requests, answers, most) = try ResidencyTests().unconstrained(files)
    let server = try TestServer(files, budgetBytes: most + 512 << 10)
    #expect(server.server.repository.loaded("m").count == 1)
    try files.addNetwork("m", try network("/mobilenet_v2"), version: 2)
    let busy = try BusyClient(files.socket, requests[0])
    let client = try TestClient(files.socket)
    for _ in 0..<3 {
      let refusal = try client.post("/v2/repository/models/m/load")
      #expect(refusal?.status == 507, "\(refusal?.text ?? "")")
      #expect(refusal?.text.contains("give --memory-budget") == true)
      #expect(server.server.repository.loaded("m").map { $0.version } == [1])
    }
    let replies = busy.finish()
    #expect(!replies.isEmpty && replies.allSatisfy { $0?.status == 200 && $0?.body == answers[0] })
    let index = try client.post("/v2/repository/index")?.text
    #expect(index?.contains(#""version":"2","state":"UNAVAILABLE","reason":"out of memory budget"#) == true)
    #expect(server.budget.peakReservedByteCount <= server.budget.limitByteCount)
  }

  // MARK: Warm-up

  private func warmup(_ samples: String) -> String { #"{"model_warmup":[\#(samples)]}"# }

  @Test func warmsUpBeforeItServes() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    var version = 1
    /// Publishes a version with that warm-up; returns the load's answer, and what serves then.
    func load(_ samples: String, file: [UInt8]? = nil, ofModel: Bool = false) throws -> (TestClient.Reply?, Int?) {
      version += 1
      try publish(files, version)
      if let file {
        let folder = ofModel ? "models/digits/warmup" : "models/digits/\(version)/warmup"
        try FileSystem.createDirectory(files.path + "/" + folder)
        try files.write(file, to: folder + "/picture.bin")
      }
      let reply = try client.post(SwapTests.load, TestClient.override(warmup(samples)))
      return (reply, server.server.repository.loaded("digits").first?.version)
    }
    let good = [
      #"{"name":"z","batch_size":1,"inputs":{"image":{"data_type":"TYPE_UINT8","dims":[8,8,1],"zero_data":true}}}"#,
      #"{"name":"r","count":3,"inputs":{"image":{"random_data":true}}}"#,
      #"{"name":"o","inputs":{"image":{"ones_data":true}}},{"name":"none"}"#,
    ]
    for sample in good { #expect(try load(sample) == (200, version)) }
    let picture = try TestRepository.picture(0)
    let byFile = #"{"name":"f","inputs":{"image":{"input_data_file":"picture.bin"}}}"#
    #expect(try load(byFile, file: picture) == (200, version))
    #expect(try load(byFile, file: picture, ofModel: true) == (200, version))
    try FileManager.default.removeItem(atPath: files.models + "/digits/warmup")
    let serving = version
    let wrong: [(String, [UInt8]?, String)] = [
      (byFile, nil, "No such file"), (byFile, Array(picture.dropLast()), "64 bytes"), (byFile, [], "64 bytes"),
      (#"{"name":"w","inputs":{"pixels":{"zero_data":true}}}"#, nil, "no input"),
    ]
    for (sample, file, reason) in wrong {
      let (reply, left) = try load(sample, file: file)
      #expect(reply?.status == 500 && reply?.text.contains(reason) == true, "\(reply?.text ?? "")")
      #expect(left == serving)
    }
    let malformed = [
      #"{"inputs":{"image":{}}}"#, #"{"inputs":{"image":{"input_data_file":"../x"}}}"#, #"{"count":-1}"#, "1",
      #"{"inputs":{"image":{"zero_data":1}}}"#, #"{"count":1001}"#,
    ]
    for sample in malformed {
      let (reply, left) = try load(sample)
      #expect(reply?.status == 400 && left == serving, "\(sample): \(reply?.text ?? "")")
    }
    #expect(server.wait { server.server.residents.models.count == 1 })
  }

  // MARK: Loads

  @Test func refusesFilesInALoad() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let reply = try TestClient(files.socket).post(
      SwapTests.load, #"{"parameters":{"config":"{}","file:1/model.onnx":"AAAA"}}"#)
    #expect(reply?.status == 400 && reply?.text.contains("file:") == true)
    withExtendedLifetime(server) {}
  }

  @Test(.timeLimit(.minutes(1))) func triesAgainWhatMayPass() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files) {
      $0.initialLoad = .only([])
      $0.limits.loadRetryMilliseconds = 5
    }
    let client = try TestClient(files.socket)
    func fail(_ error: ServingError, isWanted: Bool = true) {
      _ = server.server.scheduler.submit(FailingLoad(error, isWanted: isWanted), limit: 1000)
    }
    // A damaged file does not pass, and who was told decides for itself.
    fail(.modelFile(path: "x", .damaged(part: "y")))
    fail(.repository(SystemError("open", code: SystemError.tooManyFiles)), isWanted: false)
    for _ in 0..<20 {
      #expect(try client.get("/v2/models/digits/ready")?.status == 404)
      Futex().wait(while: 0, timeoutNanoseconds: 1_000_000)
    }
    fail(.repository(SystemError("open", code: SystemError.tooManyFiles)))
    #expect(server.wait { (try? client.get("/v2/models/digits/ready")?.status) == 200 })
    #expect(server.server.repository.entries[0].retryCount == 0)
  }

  @Test func knowsWhatMayPass() {
    let passing: [ServingError] = [
      .stopping, .memory(.refusedByKernel(needed: 1)), .modelFile(path: "", .changed(from: 1, to: 2)),
      .system(SystemError("read", code: SystemError.inputOutput)),
    ]
    let lasting: [ServingError] = [
      .noVersion(model: "m"), .modelFile(path: "", .notAModel), .repository(SystemError("open", code: 13)),
      .memory(.doesNotFit(needed: 2, available: 1, leastBudget: 3)),
    ]
    #expect(passing.allSatisfy { $0.mayPass } && lasting.allSatisfy { !$0.mayPass })
  }
}

private func == (left: (TestClient.Reply?, Int?), right: (Int, Int)) -> Bool {
  left.0?.status == right.0 && left.1 == right.1
}

/// What a load that has failed does on the event loop.
private final class FailingLoad: QueuedJob, @unchecked Sendable {
  private let error: ServingError
  private let isWanted: Bool

  init(_ error: ServingError, isWanted: Bool) {
    self.error = error
    self.isWanted = isWanted
    super.init(connection: 0)
  }

  override func finish(_ server: Server) -> Answer {
    server.retryLater("digits", error, isWanted: isWanted)
    return .empty
  }
}
