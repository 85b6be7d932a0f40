import Importing
import Memory
import ModelFile
import Protocols
import Runtime
import System
import TestSupport
import Testing

@testable import Serving

/// What models would take, and what a refusal says of it.
@Suite struct PlanTests {
  static let isEnabled = SharedFiles.arePresent
  static let slack = 64 << 10

  /// What a server reserves that has loaded nothing.
  func bare(_ files: TestRepository) throws -> Int {
    let server = try TestServer(files) { $0.initialLoad = .only([]) }
    defer { end(server) }
    return server.budget.reservedByteCount
  }

  func end(_ server: TestServer) {
    server.server.stop()
    #expect(server.join())
  }

  func plan(_ client: TestClient, _ body: String) throws -> JSON {
    let reply = try client.post("/v2/thimble/plan", body)
    #expect(reply?.status == 200, "\(reply?.text ?? "")")
    return try JSON(parsing: reply?.text ?? "")
  }

  func number(_ json: JSON?, _ name: String) throws -> Int { Int(try #require(json?[name]?.int)) }

  @Test func saysWhatAModelTakes() throws {
    let files = try TestRepository()
    try files.addModel(configuration: TestRepository.digitLabels)
    try files.addModel(version: 2)
    let server = try TestServer(files) { $0.initialLoad = .only([]) }
    let client = try TestClient(files.socket)
    #expect(try client.get("/v2/health/live")?.status == 200)
    let before = server.budget.reservedByteCount
    let buffers = server.budget.reservedByteCount(for: .buffers)
    let answer = try plan(client, #"{"model":"digits","threads":9}"#)
    #expect(answer["model"]?.string == "digits" && answer["version"]?.string == "2")
    #expect(try number(answer, "threads") == 1)
    let (least, full) = (try number(answer, "least_budget_bytes"), try number(answer, "full_budget_bytes"))
    #expect(least > before && least <= full)
    #expect(try number(answer, "memory_budget_bytes") == full)
    #expect(answer["predicted_slowdown"]?.double == 1)
    let curve = try #require(answer["curve"]?.array)
    #expect(try !curve.isEmpty && number(curve.first, "memory_budget_bytes") == least)
    #expect(curve.count <= PlanDocument.pointCount)
    let memory = answer["memory"]
    #expect(try number(memory, "budget_bytes") == server.budget.limitByteCount)
    // The labels are what the model adds to what the server holds.
    let taken = try number(memory, "taken_bytes")
    #expect(taken == before - buffers + 2 * ServingLimits.receiveBufferBytes + 4096)
    #expect(try number(memory, "available_bytes") > server.budget.limitByteCount / 2)
    #expect(try number(memory, "reclaimable_bytes") < 64 << 10)
    // Nothing has been loaded, and nothing is held but a spare buffer.
    #expect(
      server.wait {
        server.server.buffers.trim()
        return server.budget.reservedByteCount == before
      })
    #expect(server.server.residents.models.isEmpty)
    #expect(try plan(client, #"{"model":"digits","version":1}"#)["version"]?.string == "1")
    let under = try plan(client, #"{"model":"digits","memory_budget_bytes":\#(least)}"#)
    #expect(try number(under, "memory_budget_bytes") == least)
    #expect(try number(under, "predicted_peak_bytes") <= least)
    // With the model there, what the server holds besides is the same.
    #expect(try client.post("/v2/repository/models/digits/load")?.status == 200)
    let loaded = try plan(client, #"{"model":"digits"}"#)
    #expect(try number(loaded, "least_budget_bytes") == least)
    #expect(try number(loaded["memory"], "reclaimable_bytes") > 0)
  }

  @Test func refusesWhatItCannotPlan() throws {
    let files = try TestRepository()
    try files.addModel()
    try files.addModel("broken")
    try files.write("THIMBLE", to: "models/broken/1/model.thimble")
    try files.addModel("confused", configuration: "{")
    let server = try TestServer(files) { $0.initialLoad = .only([]) }
    let client = try TestClient(files.socket)
    func status(_ body: String) throws -> Int? { try client.post("/v2/thimble/plan", body)?.status }
    for name in ["absent", "", ".", "..", "../models/digits", "/etc", "digits/1", "digits\\u0000"] {
      #expect(try status(#"{"model":"\#(name)"}"#) == 404, "\(name)")
    }
    for version in ["9", "0", #""01""#, #""x""#, #""../1""#] {
      #expect(try status(#"{"model":"digits","version":\#(version)}"#) == 404, "\(version)")
    }
    for body in ["", "{}", "[]", #"{"model":7}"#, #"{"model":"digits","memory_budget_bytes":-1}"#] {
      #expect(try status(body) == 400, "\(body)")
    }
    #expect(try status(#"{"model":"broken"}"#) == 500)
    #expect(try status(#"{"model":"confused"}"#) == 500)
    #expect(try status(#"{"model":"digits","memory_budget_bytes":\#(Int.max)}"#) == 200)
    #expect(try client.get("/v2/thimble/plan")?.status == 405)
    // A budget that is too small is refused with the least.
    let least = try number(try plan(client, #"{"model":"digits"}"#), "least_budget_bytes")
    for budget in [0, least - 1] {
      let refusal = try client.post("/v2/thimble/plan", #"{"model":"digits","memory_budget_bytes":\#(budget)}"#)
      #expect(refusal?.status == 507)
      #expect(try number(JSON(parsing: refusal?.text ?? ""), "least_memory_budget_bytes") == least)
    }
    #expect(server.server.scheduler.queuedCount == 0)
    let long = try TestClient(files.socket)
    #expect(try long.post("/v2/thimble/plan", String(repeating: " ", count: 5000) + "{}")?.status == 413)
  }

  /// Loads `name` under a budget, asks it and the small model, and returns what answered the load.
  func load(_ name: String, _ files: TestRepository, budgetBytes: Int) throws -> TestClient.Reply? {
    let server = try TestServer(files, budgetBytes: budgetBytes) { $0.initialLoad = .only(["small"]) }
    let client = try TestClient(files.socket)
    defer {
      client.hangUp()
      end(server)
    }
    let reply = try client.post("/v2/repository/models/\(name)/load")
    try client.send(TestClient.binary(try TestRepository.picture(1), path: "/v2/models/small/infer"))
    #expect(try client.reply()?.status == 200)
    #expect(server.budget.peakReservedByteCount <= budgetBytes)
    return reply
  }

  /// The least budget that a server with room says, and the budget that a refusal in one without names. `below`: bytes less
  /// than loading it takes; requests take more than that.
  func leasts(_ name: String, _ files: TestRepository, _ graph: Graph, below: Int) throws -> (
    planned: Int, refusal: JSON
  ) {
    let roomy = try TestServer(files) { $0.initialLoad = .only([]) }
    let client = try TestClient(files.socket)
    let planned = try number(try plan(client, #"{"model":"\#(name)"}"#), "least_budget_bytes")
    client.hangUp()
    end(roomy)
    let refusal = try load(name, files, budgetBytes: planned - ModelResidents.exchangeByteCount(graph) - below)
    #expect(refusal?.status == 507, "\(refusal?.text ?? "")")
    return (planned, try JSON(parsing: refusal?.text ?? ""))
  }

  /// Whether a server that starts with the budget and `slack` loads the model at its start.
  func starts(_ name: String, _ files: TestRepository, budgetBytes: Int) throws -> Bool {
    let server = try TestServer(files, budgetBytes: budgetBytes + PlanTests.slack) {
      $0.initialLoad = .only([name])
    }
    defer { end(server) }
    #expect(server.budget.peakReservedByteCount <= budgetBytes + PlanTests.slack)
    return try TestClient(files.socket).get("/v2/models/\(name)/ready")?.status == 200
  }

  /// What parsing a configuration takes is part of the least, though it is given back before the model is loaded.
  @Test func aLargeConfigurationCounts() throws {
    let files = try TestRepository()
    try files.addModel("small")
    let text = TestRepository.digitLabels + String(repeating: " ", count: 100 << 10)
    try files.addModel(configuration: text)
    let (planned, refusal) = try leasts("digits", files, TestRepository.digits.get().graph, below: 32 << 10)
    #expect(planned >= (try bare(files)) + 7 * text.utf8.count)
    #expect(try number(refusal, "least_memory_budget_bytes") <= planned)
    #expect(refusal["least_is_to_run"]?.bool == false)
    #expect(refusal["error"]?.string?.contains("to read \(files.models)/digits/config.json") == true)
    let enough = try load("digits", files, budgetBytes: planned + PlanTests.slack)
    #expect(enough?.status == 200, "\(enough?.text ?? "")")
    #expect(try starts("digits", files, budgetBytes: planned))
  }

  /// A configuration that a client brings is held until the model is loaded.
  @Test func aConfigurationThatAClientBringsCounts() throws {
    let files = try TestRepository()
    try files.addModel("small")
    try files.addModel()
    let labels = (0..<1200).map { "\\\"a label of some length \($0)\\\"" }.joined(separator: ",")
    let body = #"{"parameters":{"config":"{\"labels\":[\#(labels)]}"}}"#
    func reply(_ budgetBytes: Int) throws -> TestClient.Reply? {
      let server = try TestServer(files, budgetBytes: budgetBytes) { $0.initialLoad = .only(["small"]) }
      let client = try TestClient(files.socket)
      defer {
        client.hangUp()
        end(server)
      }
      return try client.post("/v2/repository/models/digits/load", body)
    }
    var budget = try bare(files) + (160 << 10)
    var answers: [Int?] = []
    while answers.last != 200 && answers.count < 8 {
      let answer = try reply(budget)
      answers.append(answer?.status)
      guard answer?.status == 507 else { break }
      let least = try number(try JSON(parsing: answer?.text ?? ""), "least_memory_budget_bytes")
      #expect(least > budget, "\(answer?.text ?? "")")
      budget = least + PlanTests.slack
    }
    #expect(answers.last == 200 && answers.count > 1 && answers.count <= 3, "\(answers)")
  }

  /// So does what describes many inputs and outputs, which is reserved before the session takes what there is.
  @Test(.enabled(if: isEnabled)) func manyOutputsCount() throws {
    let files = try TestRepository()
    try files.addModel("small")
    var model = TestRepository.networks[2]
    let outputs = model.graph.operators.map { $0.output }
    model.graph.outputs = outputs
    for index in outputs { model.graph.tensors[index].name = "\(index)" + String(repeating: "_", count: 4000) }
    try files.addNetwork("many", model)
    #expect(LoadedModel.portsByteCount(model.graph) > PlanTests.slack)
    let (planned, refusal) = try leasts("many", files, model.graph, below: 32 << 10)
    #expect(try number(refusal, "least_memory_budget_bytes") == planned)
    #expect(refusal["least_is_to_run"]?.bool == true)
    let enough = try load("many", files, budgetBytes: planned + PlanTests.slack)
    #expect(enough?.status == 200, "\(enough?.text ?? "")")
    #expect(try starts("many", files, budgetBytes: planned))
  }

  @Test(.enabled(if: isEnabled), .timeLimit(.minutes(2)), arguments: [0, 1, 2, 3])
  func aRefusalNamesTheBudgetThatIsEnough(_ index: Int) throws {
    let files = try TestRepository()
    try files.addModel("small")
    // What describes it counts as well.
    let labels = (0..<300).map { "\"a label of some length \($0)\"" }.joined(separator: ",")
    try files.addNetwork("vast", TestRepository.networks[index])
    try files.write(#"{"labels":[\#(labels)]}"#, to: "models/vast/config.json")
    let roomy = try TestServer(files) { $0.initialLoad = .only([]) }
    let client = try TestClient(files.socket)
    let planned = try number(try plan(client, #"{"model":"vast"}"#), "least_budget_bytes")
    client.hangUp()
    end(roomy)
    let limit = planned - ModelResidents.exchangeByteCount(TestRepository.networks[index].graph) - (32 << 10)
    let refusal = try load("vast", files, budgetBytes: limit)
    #expect(refusal?.status == 507, "\(refusal?.text ?? "")")
    #expect(refusal?.text.contains("when every other model sleeps") == true)
    let numbers = try JSON(parsing: refusal?.text ?? "")
    let least = try number(numbers, "least_memory_budget_bytes")
    // One of these takes more to be read than to be run.
    let isToRun = index != 1
    #expect(numbers["least_is_to_run"]?.bool == isToRun)
    #expect(isToRun ? least == planned : least <= planned)
    let missing = try number(numbers, "needed_bytes") - number(numbers, "available_bytes")
    #expect(missing == least - limit - (isToRun ? 0 : ServingLimits.variationBytes))
    // To read the file may have put the small one to sleep.
    #expect(try #require(numbers["models"]?.array).count <= 1)
    let next = try load("vast", files, budgetBytes: least + PlanTests.slack)
    #expect(next?.status == 200, "\(next?.text ?? "")")
    #expect(try starts("vast", files, budgetBytes: least))
  }

  /// A model that cannot wake is refused with the numbers too, the request's own memory counted.
  @Test(.enabled(if: isEnabled), .timeLimit(.minutes(1))) func aRefusalToWakeNamesTheBudget() throws {
    let files = try TestRepository()
    try files.addNetwork("m", TestRepository.networks[2])
    let server = try TestServer(files)
    let model = try #require(server.server.repository.loadedModels.first)
    let client = try TestClient(files.socket)
    let planned = try plan(client, #"{"model":"m"}"#)
    let least = try number(planned, "least_budget_bytes")
    let exchange = ModelResidents.exchangeByteCount(TestRepository.networks[2].graph)
    let needed = try least - number(planned["memory"], "taken_bytes") - exchange
    let gate = server.block()
    _ = server.server.scheduler.submit(
      SleepJob([model], residents: server.server.residents, keepAlive: .init(seconds: 0)), limit: 2)
    gate.open()
    #expect(server.wait { model.residency.state == .asleep })
    let taken = try server.budget.reserve(server.budget.availableByteCount - needed + (48 << 10), for: .program)
    let input = model.inputs[0]
    let shape = input.shape.dimensions.map { "\($0)" }.joined(separator: ",")
    let json = Array(
      (#"{"inputs":[{"name":"\#(input.name)","shape":[\#(shape)],"datatype":"\#(input.elementType.name)","#
        + #""parameters":{"binary_data_size":\#(input.byteCount)}}]}"#).utf8)
    try client.send(
      TestClient.request(
        "/v2/models/m/infer", json + [UInt8](repeating: 3, count: input.byteCount),
        headers: "Inference-Header-Content-Length: \(json.count)\r\n"))
    let refusal = try client.reply()
    #expect(refusal?.status == 507, "\(refusal?.text ?? "")")
    let numbers = try JSON(parsing: refusal?.text ?? "")
    #expect(numbers["models"]?.array?.isEmpty == true)
    #expect(numbers["least_is_to_run"]?.bool == true)
    #expect(try number(numbers, "least_memory_budget_bytes") >= least + taken.byteCount)
    _ = consume taken
    try client.send(
      TestClient.request(
        "/v2/models/m/infer", json + [UInt8](repeating: 3, count: input.byteCount),
        headers: "Inference-Header-Content-Length: \(json.count)\r\n"))
    #expect(try client.reply()?.status == 200)
  }

  /// Where not even the file can be read, the refusal says that more may be needed and who can tell.
  @Test(.enabled(if: isEnabled)) func aFileThatCannotBeReadIsRefusedWithWhatReadingTakes() throws {
    let files = try TestRepository()
    try files.addModel("small")
    try files.addNetwork("vast", TestRepository.networks[2])
    let refusal = try load("vast", files, budgetBytes: try bare(files) + (140 << 10))
    #expect(refusal?.status == 507)
    #expect(refusal?.text.contains("; then held by small version 1 (") == true)
    let numbers = try JSON(parsing: refusal?.text ?? "")
    #expect(numbers["least_is_to_run"]?.bool == false, "\(refusal?.text ?? "")")
    #expect(refusal?.text.contains("to read the file: `thimble plan \(files.models)/vast/1/model.thimble`") == true)
    // What could not help was not asked to go.
    let holder = try #require(numbers["models"]?.array?.first)
    #expect(holder["name"]?.string == "small" && holder["version"]?.string == "1")
    #expect(try number(holder, "bytes") > 0)
  }
}
