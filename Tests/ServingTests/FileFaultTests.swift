import Foundation
import Importing
import Memory
import ModelFile
import Protocols
import Runtime
import System
import Testing

@testable import Serving

/// Model files that are cut off or written over while they are mapped: their own requests fail, nothing else.
@Suite struct FileFaultTests {
  private let infer = "/v2/models/bad/infer"

  private func path(_ files: TestRepository) -> String { files.models + "/bad/1/model.thimble" }

  /// Two models, `good` and `bad`; `bad` keeps its weights in the file, and looks old.
  private func repository() throws -> TestRepository {
    let files = try TestRepository()
    try files.addModel("good")
    try files.addModel("bad")
    try replaceProperly(files)
    return files
  }

  private func replaceProperly(_ files: TestRepository) throws {
    let model = try TestRepository.digits.get()
    do {
      let file = try File(creating: files.path + "/new")
      _ = try ModelFileWriter.write(model.graph, payloads: model.payloads, to: file, compression: .none)
    }
    var times = [timeval(tv_sec: 1_000_000_000, tv_usec: 0), timeval(tv_sec: 1_000_000_000, tv_usec: 0)]
    try #require(utimes(files.path + "/new", &times) == 0)
    try FileSystem.rename(files.path + "/new", to: path(files))
  }

  private func request() throws -> String { TestClient.json(try TestRepository.picture(0)) }

  private func expectGood(_ client: TestClient, _ answer: String) throws {
    let reply = try client.post("/v2/models/good/infer", try request())
    #expect(reply?.status == 200 && reply?.text == answer)
    #expect(try client.get("/v2/models/good/ready")?.status == 200)
    #expect(try client.get("/v2/health/ready")?.status == 200)
  }

  private func expectFailed(_ client: TestClient, _ path: String) throws {
    for _ in 0..<2 {
      let reply = try client.post(infer, try request())
      #expect(reply?.status == 500 && reply?.text.contains(path) == true, "\(reply?.text ?? "")")
      #expect(reply?.text.contains("changed while it was in use") == true, "\(reply?.text ?? "")")
      #expect(reply?.text.contains("renaming a new file over it") == true)
    }
    #expect(try client.get("/v2/models/bad/ready")?.status == 500)
    let index = try client.post("/v2/repository/index")?.text ?? ""
    #expect(index.contains(#""name":"bad","version":"1","state":"UNAVAILABLE","reason":""#))
    #expect(index.contains("changed while it was in use"))
    #expect(try client.post("/v2/repository/index", #"{"ready":true}"#)?.text.contains("bad") == false)
  }

  /// What is done to the file.
  enum Damage: CaseIterable { case cutOff, emptied, grown, writtenOver }

  private func damage(_ path: String, _ damage: Damage) throws {
    let count = try FileSystem.status(of: path).byteCount
    switch damage {
    case .cutOff: try #require(truncate(path, count / 2) == 0)
    case .emptied: try #require(truncate(path, 0) == 0)
    case .grown: try #require(truncate(path, count + 1) == 0)
    case .writtenOver:
      let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      try handle.write(contentsOf: Data(repeating: 0x55, count: count))
      try handle.close()
    }
  }

  @Test(.timeLimit(.minutes(1)), arguments: Damage.allCases)
  func onlyTheDamagedModelFails(_ kind: Damage) throws {
    let files = try repository()
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    #expect(try client.post(infer, try request())?.status == 200)
    let good = try #require(try client.post("/v2/models/good/infer", try request())?.text)
    try damage(path(files), kind)
    try expectFailed(client, path(files))
    try expectGood(client, good)
    // What it was cannot be told any more: loading says what is wrong with it now.
    #expect(try client.post("/v2/repository/models/bad/load", "{}")?.status == 500)
    try expectFailed(client, path(files))
    let held = heldByModels(server.budget)
    try replaceProperly(files)
    try expectFailed(client, path(files))
    #expect(try client.post("/v2/repository/models/bad/load", "{}")?.status == 200)
    #expect(try client.get("/v2/models/bad/ready")?.status == 200)
    let reply = try client.post(infer, try request())
    #expect(reply?.status == 200)
    #expect(reply?.text == good.replacingOccurrences(of: #""good""#, with: #""bad""#))
    try expectGood(client, good)
    #expect(heldByModels(server.budget) == held)
  }

  /// Bytes reserved for models: spare buffers come and go.
  private func heldByModels(_ budget: MemoryBudget) -> Int {
    [MemoryBudget.Purpose.metadata, .weights, .activations, .decoder].reduce(0) {
      $0 + budget.reservedByteCount(for: $1)
    }
  }

  /// Whoever asks for readiness learns of it before any request does.
  @Test func readinessLooksAtTheFile() throws {
    let files = try repository()
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    #expect(try client.get("/v2/models/bad/ready")?.status == 200)
    try damage(path(files), .emptied)
    #expect(try client.get("/v2/models/bad/ready")?.status == 500)
    try expectFailed(client, path(files))
    try replaceProperly(files)
    #expect(try client.post("/v2/repository/models/bad/load", "{}")?.status == 200)
    #expect(try client.get("/v2/models/bad/ready")?.status == 200)
    _ = server
  }

  /// The file is as it was again, to the nanosecond: what was read of it meanwhile is not.
  @Test func aFailureLastsUntilTheModelIsLoadedAgain() throws {
    let files = try repository()
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    let bytes = try File.bytes(of: path(files), limit: 1 << 20)
    try damage(path(files), .emptied)
    #expect(try client.post(infer, try request())?.status == 500)
    try Data(bytes).write(to: URL(fileURLWithPath: path(files)), options: [])
    var times = [timeval(tv_sec: 1_000_000_000, tv_usec: 0), timeval(tv_sec: 1_000_000_000, tv_usec: 0)]
    try #require(utimes(path(files), &times) == 0)
    #expect(try client.post(infer, try request())?.status == 500)
    #expect(try client.post("/v2/repository/models/bad/load", "{}")?.status == 200)
    #expect(try client.post(infer, try request())?.status == 200)
    _ = server
  }

  /// The file is cut off at whatever moment, while requests run. Every answer is right or an error.
  @Test(.timeLimit(.minutes(2))) func requestsThatRunMeanwhileFailOrAreRight() throws {
    let files = try repository()
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    let good = try #require(try client.post("/v2/models/good/infer", try request())?.text)
    let bad = good.replacingOccurrences(of: #""good""#, with: #""bad""#)
    let text = try request()
    for round in 0..<20 {
      let (wrong, failed, answered) = (Futex(), Futex(), Futex())
      let socket = files.socket
      let infer = infer
      let threads = try (0..<2).map { index in
        try System.Thread(stackByteCount: 1 << 20) {
          guard let client = try? TestClient(socket) else { return }
          for number in 0..<1_000_000 {
            let isGood = (number + index) % 4 == 0
            guard let reply = try? client.post(isGood ? "/v2/models/good/infer" : infer, text) else {
              wrong.add(1)
              break
            }
            if isGood {
              if reply.text != good { wrong.add(1) }
            } else if reply.status == 500, reply.text.contains("in use") {
              failed.add(1)
              break
            } else if reply.text != bad {
              wrong.add(1)
            }
            answered.add(1)
          }
        }
      }
      let moment = UInt32(round * 7)
      _ = server.wait { answered.load() >= moment }
      try damage(path(files), round % 2 == 0 ? .emptied : .cutOff)
      for thread in threads { thread.join() }
      #expect(wrong.load() == 0 && failed.load() == 2, "round \(round)")
      try replaceProperly(files)
      #expect(try client.post("/v2/repository/models/bad/load", "{}")?.status == 200)
    }
  }

  // MARK: Below the server

  /// A session's run on a file without pages: no answer, no crash.
  @Test func aRunWithoutPagesIsNoticed() throws {
    let files = try repository()
    let budget = MemoryBudget(limitByteCount: 64 << 20)
    let pool = try ThreadPool(threadCount: 2, budget: budget)
    let session = try Session(
      try ModelFile.open(path(files), budget: budget), kernels: .best, pool: pool, budget: budget)
    session.run()
    try session.checkFile()
    try damage(path(files), .emptied)
    session.run()
    let error = #expect(throws: SessionError.self) { try session.checkFile() }
    guard case .file(.changed(_, 0)) = error else {
      Issue.record("\(error?.message ?? "")")
      return
    }
  }

  /// Loading says that the file was changed, not that a checksum is wrong.
  @Test(arguments: [ModelFileWriter.Compression.whereItSaves, .none], Damage.allCases)
  func loadingSaysWhy(_ compression: ModelFileWriter.Compression, _ kind: Damage) throws {
    let files = try repository()
    let model = try TestRepository.digits.get()
    let written = try File(creating: files.path + "/model")
    _ = try ModelFileWriter.write(model.graph, payloads: model.payloads, to: written, compression: compression)
    var times = [timeval(tv_sec: 1_000_000_000, tv_usec: 0), timeval(tv_sec: 1_000_000_000, tv_usec: 0)]
    try #require(utimes(files.path + "/model", &times) == 0)
    let budget = MemoryBudget(limitByteCount: 64 << 20)
    let file = try ModelFile.open(files.path + "/model", budget: budget)
    try damage(files.path + "/model", kind)
    let pool = try ThreadPool(threadCount: 1, budget: budget)
    let before = budget.reservedByteCount
    do throws(SessionError) {
      _ = try Session(file, kernels: .best, pool: pool, budget: budget)
      Issue.record("it was loaded")
    } catch {
      guard case .file(.changed) = error else {
        Issue.record("\(error.message)")
        return
      }
    }
    #expect(budget.reservedByteCount == before)
  }

  /// Opening meets it too: after the header was read.
  @Test func openingSaysWhy() throws {
    let files = try repository()
    let file = try File(reading: path(files))
    var opening = try ModelFileOpening(file)
    try damage(path(files), .emptied)
    do throws(ModelFileError) {
      try opening.decodeMetadata()
      Issue.record("it was opened")
    } catch {
      guard case .changed = error else {
        Issue.record("\(error.message)")
        return
      }
    }
  }
}
