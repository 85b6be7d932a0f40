import Memory
import Protocols
import System
import TestSupport
import Testing

@testable import Serving

@Suite struct EnsembleTests {
  /// Reads a digit, then doubles what it says of each class.
  static let scheduling =
    #""ensemble_scheduling":{"step":["#
    + #"{"model_name":"twice","model_version":-1,"input_map":{"a":"classes","b":"classes"},"output_map":{"c":"doubled"}},"#
    + #"{"model_name":"digits","input_map":{"image":"picture"},"output_map":{"probabilities":"classes"}}]}"#

  func files(_ configuration: String = "{\(EnsembleTests.scheduling)}") throws -> TestRepository {
    let files = try TestRepository()
    // Before and after the ensemble's own name in the order of loading.
    try files.addModel("digits")
    try files.add(sumModel("a", "b", to: "c", shape: [1, 10]), as: "twice")
    try files.addEnsemble("pipeline", configuration)
    return files
  }

  func doubled(_ index: Int, _ client: TestClient) throws -> [UInt8] {
    try client.send(TestClient.binary(try TestRepository.picture(index)))
    return (try client.reply()?.body.suffix(10) ?? []).map { UInt8(min(255, 2 * Int($0))) }
  }

  func json(_ index: Int, extra: String = "") throws -> String {
    TestClient.json(try TestRepository.picture(index)).replacing("\"image\"", with: "\"picture\"")
  }

  @Test func passesTensorsOn() throws {
    let server = try TestServer(try files())
    let client = try TestClient(server.repository.socket)
    let metadata = try client.get("/v2/models/pipeline")?.text ?? ""
    #expect(
      metadata.contains(#""platform":"ensemble","inputs":[{"name":"picture","datatype":"UINT8","shape":[1,8,8,1]}]"#))
    #expect(metadata.contains(#""outputs":[{"name":"doubled","datatype":"UINT8","shape":[1,10]}]"#))
    #expect(try client.get("/v2/models/pipeline/ready")?.status == 200)
    #expect(
      try client.get("/v2/models/pipeline/config")?.text.contains(#""model_name":"twice","model_version":-1"#) == true)
    for index in 0..<5 {
      let expected = try doubled(index, client)
      let reply = try client.post("/v2/models/pipeline/infer", try json(index))
      #expect(reply?.status == 200)
      let values = try JSON(parsing: reply?.text ?? "")["outputs"]?.array?[0]["data"]?.array?.map { UInt8($0.int ?? 0) }
      #expect(values == expected)
      try client.send(
        TestClient.request(
          "/v2/models/pipeline/infer", try TestRepository.picture(index),
          headers: "Inference-Header-Content-Length: 0\r\n"))
      #expect(try client.reply().map { Array($0.body.suffix(10)) } == expected)
    }
    let stats = try client.get("/v2/models/stats")?.text ?? ""
    for (name, count) in [("pipeline", 10), ("twice", 10), ("digits", 15)] {
      let row = try JSON(parsing: stats)["model_stats"]?.array?.first { $0["name"]?.string == name }
      #expect(row?["inference_count"]?.int == Int64(count))
    }
  }

  @Test func outputsMayBeNamed() throws {
    let declared = #","output":[{"name":"classes","data_type":"TYPE_UINT8","dims":[1,10]},{"name":"doubled"}]}"#
    let server = try TestServer(try files("{" + EnsembleTests.scheduling + declared))
    let client = try TestClient(server.repository.socket)
    let reply = try client.post("/v2/models/pipeline/infer", try json(3))
    let outputs = try JSON(parsing: reply?.text ?? "")["outputs"]?.array ?? []
    #expect(outputs.compactMap { $0["name"]?.string } == ["classes", "doubled"])
    let values = outputs.map { $0["data"]?.array?.compactMap { $0.int } ?? [] }
    #expect(values.count == 2 && values[1] == values[0].map { min(255, 2 * $0) } && values[0].contains { $0 > 0 })
  }

  @Test func mistakesNameTheKey() throws {
    let step = #"{"model_name":"digits","input_map":{"image":"picture"},"output_map":{"probabilities":"classes"}}"#
    let cases: [(configuration: String, message: String)] = [
      (#"{"ensemble_scheduling":{"step":[]}}"#, "ensemble_scheduling.step"),
      (#"{"ensemble_scheduling":{"step":[{"model_name":"pipeline"}]}}"#, "step[0].model_name: an ensemble cannot"),
      (
        #"{"ensemble_scheduling":{"step":[{"model_name":"digits","output_map":{"probabilities":"p"}}]}}"#,
        "step[0].input_map.image: missing"
      ),
      (
        #"{"ensemble_scheduling":{"step":[\#(step),{"model_name":"twice","input_map":{"a":"picture","b":"classes"},"#
          + #""output_map":{"c":"d"}}]}}"#,
        "step[1].input_map.a: picture is UINT8 [1,8,8,1], and model twice takes UINT8 [1,10]"
      ),
      (
        #"{"ensemble_scheduling":{"step":[{"model_name":"twice","input_map":{"a":"y","b":"y"},"output_map":{"c":"x"}},"#
          + #"{"model_name":"twice","input_map":{"a":"x","b":"x"},"output_map":{"c":"y"}}]}}"#,
        "step[0].input_map: it waits for its own output"
      ),
      (
        #"{"ensemble_scheduling":{"step":[\#(step),\#(step)]}}"#,
        "step[1].output_map.probabilities: classes is made more than once"
      ),
      (
        #"{"ensemble_scheduling":{"step":[\#(step)]},"output":[{"name":"classes","dims":[1,11]}]}"#,
        "output[0].dims: classes is [1,10]"
      ),
      (
        #"{"ensemble_scheduling":{"step":[\#(step)]},"input":[{"name":"other"}]}"#,
        "step[0].input_map.image: picture is no input of the ensemble"
      ),
    ]
    let server = try TestServer(try files())
    let client = try TestClient(server.repository.socket)
    for (configuration, message) in cases {
      try server.repository.write(configuration, to: "models/pipeline/config.json")
      let reply = try client.post("/v2/repository/models/pipeline/load")
      #expect(reply?.status == 500 && reply?.text.contains(message) == true, "\(message): \(reply?.text ?? "")")
      // What was there stays in service.
      #expect(try client.post("/v2/models/pipeline/infer", try json(0))?.status == 200)
    }
  }

  @Test func membersComeAndGo() throws {
    let files = try files()
    let server = try TestServer(files) { $0.initialLoad = .only(["pipeline"]) }
    let client = try TestClient(files.socket)
    let reply = try client.post("/v2/repository/models/pipeline/load")
    #expect(reply?.status == 404 && reply?.text.contains("needs model twice, which is not loaded") == true)
    #expect(try client.post("/v2/repository/models/twice/load")?.status == 200)
    #expect(try client.post("/v2/repository/models/digits/load")?.status == 200)
    // It was waiting for them.
    #expect(server.wait { (try? client.post("/v2/models/pipeline/infer", try json(0))?.status) == 200 })
    #expect(try client.post("/v2/repository/models/twice/unload")?.status == 200)
    let refused = try client.post("/v2/models/pipeline/infer", try json(0))
    #expect(refused?.status == 404 && refused?.text.contains("needs model twice") == true)
    #expect(try client.get("/v2/models/pipeline/ready")?.status == 404)
    #expect(try client.post("/v2/repository/models/twice/load")?.status == 200)
    #expect(try client.post("/v2/models/pipeline/infer", try json(0))?.status == 200)
    #expect(
      try client.post("/v2/repository/models/pipeline/unload", #"{"parameters":{"unload_dependents":true}}"#)?.status
        == 200)
    #expect(try client.get("/v2/models/pipeline/ready")?.status == 404)
    #expect(try client.get("/v2/models/digits/ready")?.status == 404)
    #expect(server.server.residents.models.isEmpty)
  }

  @Test func keptAnswersGoWithTheirMembers() throws {
    let files = try files("{\(EnsembleTests.scheduling),\"response_cache\":{\"enable\":true}}")
    let server = try TestServer(files) { $0.responseCacheByteCount = 1 << 20 }
    let client = try TestClient(files.socket)
    let first = try client.post("/v2/models/pipeline/infer", try json(2))
    #expect(try client.post("/v2/models/pipeline/infer", try json(2))?.body == first?.body)
    #expect(server.server.residents.responses.figures.entryCount == 1)
    try files.add(sumModel("a", "b", to: "c", shape: [1, 10]), as: "twice", version: 2)
    #expect(try client.post("/v2/repository/models/twice/load")?.status == 200)
    #expect(server.server.residents.responses.figures.entryCount == 0)
    #expect(try client.post("/v2/models/pipeline/infer", try json(2))?.body == first?.body)
  }
}
