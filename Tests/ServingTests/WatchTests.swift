import Foundation
import System
import Testing

@testable import Serving

/// Changes of the repository's folders load and unload models.
@Suite struct WatchTests {
  private func move(_ files: TestRepository, _ from: String, _ to: String) throws {
    try FileManager.default.moveItem(atPath: files.path + "/" + from, toPath: files.path + "/" + to)
  }

  private func waits(_ client: TestClient, for path: String, _ status: Int) throws -> Bool {
    for _ in 0..<2000 {
      if try client.get(path)?.status == status { return true }
      Futex().wait(while: 0, timeoutNanoseconds: 5_000_000)
    }
    return false
  }

  @Test(.timeLimit(.minutes(2))) func followsWhatIsRenamed() throws {
    let files = try TestRepository()
    try files.addModel()
    try files.addModel("new")
    try move(files, "models/new", "staged")
    let server = try TestServer(files) { $0.watchesRepository = true }
    let client = try TestClient(files.socket)
    #expect(try client.get("/v2/models/new/ready")?.status == 404)
    // A model comes.
    try move(files, "staged", "models/new")
    #expect(try waits(client, for: "/v2/models/new/ready", 200))
    // Another version.
    try files.addModel("other", version: 2)
    try move(files, "models/other/2", "models/new/2")
    #expect(try waits(client, for: "/v2/models/new/versions/2/ready", 200))
    #expect(try waits(client, for: "/v2/models/new/versions/1/ready", 404))
    // One that is no model: the old one goes on.
    try FileSystem.createDirectory(files.path + "/bad")
    try files.write("not a model", to: "bad/model.thimble")
    try move(files, "bad", "models/new/3")
    #expect(server.wait { server.server.repository.entries.first { $0.name == "new" }?.versions.count == 3 })
    #expect(server.wait { server.server.repository.entries.first { $0.name == "new" }?.pendingLoads == 0 })
    #expect(try client.get("/v2/models/new/ready")?.status == 200)
    #expect(try client.get("/v2/models/new/versions/2/ready")?.status == 200)
    // A configuration.
    try FileManager.default.removeItem(atPath: files.models + "/new/3")
    try files.write(#"{"version_policy":{"all":{}}}"#, to: "config.json")
    try move(files, "config.json", "models/new/config.json")
    #expect(try waits(client, for: "/v2/models/new/versions/1/ready", 200))
    // It goes.
    try move(files, "models/new", "gone")
    #expect(try waits(client, for: "/v2/models/new/ready", 404))
    #expect(try client.get("/v2/models/digits/ready")?.status == 200)
    withExtendedLifetime(server) {}
  }

  @Test(.timeLimit(.minutes(2))) func followsWhatIsCopied() throws {
    let files = try TestRepository()
    try files.addModel()
    try files.addModel("new")
    try move(files, "models/new", "staged")
    let server = try TestServer(files) { $0.watchesRepository = true }
    let client = try TestClient(files.socket)
    // As `cp -r` does it, but so slowly that each step is looked at.
    let whole = try Data(contentsOf: URL(fileURLWithPath: files.path + "/staged/1/model.thimble"))
    let path = files.models + "/new/1/model.thimble"
    let pause = { Futex().wait(while: 0, timeoutNanoseconds: 300_000_000) }
    try FileSystem.createDirectory(files.models + "/new")
    pause()
    try FileSystem.createDirectory(files.models + "/new/1")
    pause()
    try #require(FileManager.default.createFile(atPath: path, contents: nil))
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try file.write(contentsOf: whole[..<(whole.count / 2)])
    pause()
    #expect(try client.get("/v2/models/new/ready")?.status != 200)
    try file.write(contentsOf: whole[(whole.count / 2)...])
    try file.close()
    #expect(try waits(client, for: "/v2/models/new/ready", 200))
    withExtendedLifetime(server) {}
  }
}
