import Memory
import Protocols
import Runtime
import System
import Testing

@testable import Serving

@Suite struct RepositoryTests {
  @Test func findsModelsAndVersions() throws {
    let files = try TestRepository()
    try files.addModel("b", version: 3)
    try files.addModel("b", version: 12)
    try files.addModel("a")
    try FileSystem.createDirectory(files.models + "/b/007")
    try FileSystem.createDirectory(files.models + "/b/5")
    try FileSystem.createDirectory(files.models + "/.hidden")
    try FileSystem.createDirectory(files.models + "/empty")
    try files.write("{}", to: "models/empty/config.json")
    try FileSystem.createDirectory(files.models + "/recipes")
    try files.write("x", to: "models/file")
    let directory = ModelDirectory(files.models)
    #expect(try directory.models() == ["a", "b", "empty"])
    #expect(try directory.versions(of: "b") == [3, 12] && directory.versions(of: "empty") == [])
    let repository = ModelRepository(directory)
    try repository.scan()
    #expect(
      repository.index(isReadyOnly: false).entries.map { $0.state } == [
        .unavailable, .unavailable, .unavailable, .unavailable,
      ])
    #expect(repository.index(isReadyOnly: true).entries.isEmpty)
  }

  @Test(arguments: ["", ".", "..", "../x", "a/b", ".git", "a\u{0}b", "a\nb", String(repeating: "x", count: 256)])
  func refusesNamesThatAreNoPlainComponent(_ name: String) throws {
    #expect(!ModelDirectory.isPlainName(name))
    let repository = ModelRepository(ModelDirectory("/"))
    #expect(throws: ServingError.self) { try repository.entry(name) }
  }

  @Test func readsVersionNumbers() {
    #expect(ModelDirectory.version("1") == 1 && ModelDirectory.version("120") == 120)
    for text in ["", "0", "01", "-1", "+1", "1.0", "x", "9999999999999999999"] {
      #expect(ModelDirectory.version(text) == nil)
    }
  }

  func configuration(_ text: String) throws -> ModelConfiguration {
    try Array(text.utf8).withUnsafeBytes { try ModelConfiguration(parsing: $0) }
  }

  @Test func readsConfigurations() throws {
    let full = try configuration(
      #"{"name":"x","labels":["a","b"],"version_policy":{"specific":{"versions":[1,3]}},"max_batch_size":8}"#)
    #expect(full.labels == ["a", "b"] && full.selection.policy == .specific([1, 3]))
    #expect(try full.selection.selected(of: [1, 2, 3], model: "x") == [1, 3])
    #expect(throws: ServingError.self) { try full.selection.selected(of: [1, 2], model: "x") }
    #expect(try configuration("{}").selection.selected(of: [1, 2], model: "x") == [2])
    let two = try configuration(#"{"version_policy":{"latest":{"num_versions":2}}}"#)
    #expect(try two.selection.selected(of: [1, 2, 3], model: "x") == [2, 3])
    #expect(try configuration(#"{"version_policy":{"all":{}}}"#).selection.selected(of: [1, 2], model: "x") == [1, 2])
    for wrong in [
      "", "[]", #"{"labels":1}"#, #"{"labels":[1]}"#, #"{"version_policy":{}}"#,
      #"{"version_policy":{"latest":{"num_versions":0}}}"#, #"{"version_policy":{"specific":{"versions":["1"]}}}"#,
      #"{"version_policy":1}"#, #"{"version_policy":{"specific":[]}}"#, #"{"version_policy":{"latest":1}}"#,
    ] {
      #expect(throws: ProtocolError.self) { try configuration(wrong) }
    }
    let mixed = #"{"version_policy":{"specific":{"versions":[1]},"all":{},"latest":{"x":[2],"num_versions":3.0}}}"#
    #expect(try configuration(mixed).selection.policy == .latest(3))
    #expect(try configuration(#"{"version_policy":{"latest":{}}}"#).selection.policy == .latest(1))
    #expect(try configuration(#"{"version_policy":{"specific":{}}}"#).selection.policy == .specific([]))
  }

  @Test func boundsTheVersionsOfAPolicy() throws {
    func policy(_ count: Int) -> String {
      let numbers = (1...count).map { "\($0)" }.joined(separator: ",")
      return #"{"version_policy":{"specific":{"versions":["# + numbers + "]}}}"
    }
    #expect(try configuration(policy(64)).selection.policy == .specific(Array(1...64)))
    for count in [65, 65_000] {
      let error = #expect(throws: ProtocolError.self) { try configuration(policy(count)) }
      #expect(error?.message.contains("at most 64") == true)
    }
  }

  @Test func aBrokenModelDoesNotStopTheOthers() throws {
    let files = try TestRepository()
    try files.addModel("good")
    try files.addModel("bad")
    try files.write("THIMBLE", to: "models/bad/1/model.thimble")
    try files.addModel("odd", configuration: #"{"labels":"no"}"#)
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    #expect(try client.get("/v2/models/good/ready")?.status == 200)
    #expect(try client.get("/v2/models/bad/ready")?.status == 500)
    let index = try client.post("/v2/repository/index")?.text ?? ""
    #expect(index.contains(#""name":"bad","version":"1","state":"UNAVAILABLE","reason":""#))
    #expect(index.contains(#""name":"odd","version":"1","state":"UNAVAILABLE","reason":""#) && index.contains("labels"))
    #expect(index.contains(#""name":"good","version":"1","state":"READY","reason":"""#))
    #expect(try client.post("/v2/repository/index", #"{"ready":true}"#)?.text.contains("bad") == false)
    _ = server
  }

  @Test func loadsAndUnloadsWithinTheBudget() throws {
    let files = try TestRepository()
    try files.addModel("a")
    let server = try TestServer(files) { $0.initialLoad = .only([]) }
    let client = try TestClient(files.socket)
    #expect(try client.get("/v2/models/a/ready")?.status == 404)
    let before = server.budget.reservedByteCount
    for _ in 0..<3 {
      #expect(try client.post("/v2/repository/models/a/load", "{}")?.status == 200)
      #expect(server.budget.reservedByteCount > before)
      #expect(try client.get("/v2/models/a/ready")?.status == 200)
      #expect(try client.post("/v2/repository/models/a/load")?.status == 200)
      #expect(try client.post("/v2/repository/models/a/unload", "{}")?.status == 200)
      #expect(server.budget.reservedByteCount == before)
    }
    #expect(try client.post("/v2/repository/models/b/load", "{}")?.status == 404)
    #expect(try client.post("/v2/repository/models/..%2Fmodels/load", "{}")?.status == 404)
    try files.addModel("b", configuration: TestRepository.digitLabels)
    #expect(try client.post("/v2/repository/models/b/load", "{}")?.status == 200)
    #expect(try client.get("/v2/models")?.text == #"{"models":["a","b"]}"#)
    let override = #"{"parameters":{"config":"{\"labels\":[\"x\"]}"}}"#
    #expect(try client.post("/v2/repository/models/b/load", override)?.status == 200)
    #expect(try client.get("/v2/models/b/config")?.text.contains(#""labels":["x"]"#) == true)
    #expect(try client.post("/v2/repository/models/b/load", #"{"parameters":{"config":"{"}}"#)?.status == 400)
  }

  @Test func servesSeveralVersions() throws {
    let files = try TestRepository()
    for version in [1, 2, 10] { try files.addModel(version: version) }
    try files.write(#"{"version_policy":{"latest":{"num_versions":2}}}"#, to: "models/digits/config.json")
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    #expect(try client.get("/v2/models/digits")?.text.contains(#""versions":["2","10"]"#) == true)
    let request = TestClient.json(try TestRepository.picture(0))
    #expect(try client.post("/v2/models/digits/infer", request)?.text.contains(#""model_version":"10""#) == true)
    #expect(
      try client.post("/v2/models/digits/versions/2/infer", request)?.text.contains(#""model_version":"2""#) == true)
    #expect(try client.post("/v2/models/digits/versions/1/infer", request)?.status == 404)
    #expect(try client.post("/v2/models/digits/versions/x/infer", request)?.status == 404)
    _ = server
  }

  @Test func refusesWhatDoesNotFitWithTheNumbers() throws {
    let files = try TestRepository()
    try files.addModel("a")
    let roomy = try TestServer(files) {
      $0.limits.connectionsMax = 4; $0.limits.queuedRequestsMax = 4
    }
    #expect(try TestClient(files.socket).post("/v2/repository/models/a/unload", "{}")?.status == 200)
    // Room for a client and a little more: the model is refused, the server runs.
    let limit = roomy.budget.reservedByteCount + 32 * 1024
    roomy.server.stop()
    #expect(roomy.join())
    let tight = try TestServer(files, budgetBytes: limit) {
      $0.limits.connectionsMax = 4
      $0.limits.queuedRequestsMax = 4
    }
    let client = try TestClient(files.socket)
    #expect(try client.get("/v2/health/live")?.status == 200)
    let free = tight.budget.reservedByteCount
    let refusal = try client.post("/v2/repository/models/a/load", "{}")
    #expect(refusal?.status == 507 && refusal?.text.contains("needed") == true)
    let numbers = try JSON(parsing: refusal?.text ?? "")
    let least = Int(numbers["least_memory_budget_bytes"]?.int ?? 0)
    #expect(
      numbers["needed_bytes"]?.int ?? 0 > 0 && numbers["available_bytes"]?.int ?? Int64.max < Int64(limit))
    #expect(least > limit)
    #expect(tight.budget.reservedByteCount == free)
    #expect(try client.post("/v2/models/a/infer", TestClient.json([0]))?.status == 507)
    #expect(try client.get("/v2/health/ready")?.status == 200)
    tight.server.stop()
    client.hangUp()
    #expect(tight.join())
    // What it names is enough for the step it was at: opening, its graph, loading.
    var budget = least
    for _ in 0..<4 {
      let next = try TestServer(files, budgetBytes: budget) {
        $0.limits.connectionsMax = 4
        $0.limits.queuedRequestsMax = 4
      }
      defer {
        next.server.stop()
        #expect(next.join())
      }
      if next.server.repository.loadedModels.count == 1 { return }
      let client = try TestClient(files.socket)
      defer { client.hangUp() }
      let refusal = try client.post("/v2/repository/models/a/load", "{}")
      let named = Int(try JSON(parsing: refusal?.text ?? "")["least_memory_budget_bytes"]?.int ?? 0)
      #expect(named > budget)
      budget = named
    }
    Issue.record("refused at \(budget) bytes")
  }
}
