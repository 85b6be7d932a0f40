import Memory
import Protocols
import System
import Tensors
import TestSupport
import Testing

@testable import Serving

@Suite struct SequenceTests {
  /// Sums what a sequence's requests bring.
  static let configuration =
    #"{"sequence_batching":{"max_sequence_idle_microseconds":60000000,"#
    + #""state":[{"input_name":"state","output_name":"total","initial_state":[{"zero_data":true,"name":"s"}]}]}}"#

  static func server(
    _ configuration: String = configuration, type: ElementType = .uint8,
    change: (inout ServerConfiguration) -> Void = { _ in }
  ) throws -> TestServer {
    let files = try TestRepository()
    try files.add(
      sumModel("sample", "state", to: "total", shape: [1, 4], type: type), as: "sum", configuration: configuration)
    return try TestServer(files, change: change)
  }

  static func request(_ values: [Int], _ parameters: String, type: String = "UINT8") -> String {
    #"{"parameters":{\#(parameters)},"inputs":[{"name":"sample","shape":[1,4],"datatype":"\#(type)","data":\#(values)}]}"#
  }

  static func totals(_ reply: TestClient.Reply?) throws -> [Int]? {
    guard let reply, reply.status == 200 else { return nil }
    return try JSON(parsing: reply.text)["outputs"]?.array?[0]["data"]?.array?.compactMap { $0.int.map { Int($0) } }
  }

  func ask(_ client: TestClient, _ values: [Int], _ parameters: String, type: String = "UINT8") throws -> [Int]? {
    try SequenceTests.totals(
      try client.post("/v2/models/sum/infer", SequenceTests.request(values, parameters, type: type)))
  }

  @Test(arguments: [ElementType.uint8, .int8]) func stateIsCarriedOn(_ type: ElementType) throws {
    let server = try SequenceTests.server(type: type)
    let client = try TestClient(server.repository.socket)
    let metadata = try client.get("/v2/models/sum")?.text ?? ""
    #expect(metadata.contains(#""inputs":[{"name":"sample","datatype":"\#(type.name)","shape":[1,4]}]"#))
    let name = type.name
    #expect(try ask(client, [1, 2, 3, 4], #""sequence_id":7,"sequence_start":true"#, type: name) == [1, 2, 3, 4])
    // Another one beside it, over another connection of the same user.
    let other = try TestClient(server.repository.socket)
    #expect(try ask(other, [9, 9, 9, 9], #""sequence_id":"seven","sequence_start":true"#, type: name) == [9, 9, 9, 9])
    #expect(try ask(client, [10, 10, 10, 10], #""sequence_id":7"#, type: name) == [11, 12, 13, 14])
    #expect(try ask(other, [1, 0, 0, 0], #""sequence_id":7"#, type: name) == [12, 12, 13, 14])
    #expect(try ask(client, [1, 1, 1, 1], #""sequence_id":"seven""#, type: name) == [10, 10, 10, 10])
    // Started again.
    #expect(try ask(client, [5, 5, 5, 5], #""sequence_id":7,"sequence_start":true"#, type: name) == [5, 5, 5, 5])
    #expect(try ask(client, [1, 1, 1, 1], #""sequence_id":7,"sequence_end":true"#, type: name) == [6, 6, 6, 6])
    #expect(server.server.residents.sequences.figures.count == 1)
    let refused = try client.post(
      "/v2/models/sum/infer", SequenceTests.request([1, 1, 1, 1], #""sequence_id":7"#, type: name))
    #expect(refused?.status == 400 && refused?.text.contains("has no sequence 7 of yours") == true)
  }

  @Test func sequencesAreNamed() throws {
    let server = try SequenceTests.server()
    let client = try TestClient(server.repository.socket)
    for parameters in [#""sequence_start":true"#, #""sequence_id":0,"sequence_start":true"#, #""sequence_id":"""#] {
      let reply = try client.post("/v2/models/sum/infer", SequenceTests.request([1, 1, 1, 1], parameters))
      #expect(reply?.status == 400 && reply?.text.contains("keeps sequences") == true)
    }
    let long = String(repeating: "x", count: 129)
    for parameters in [#""sequence_id":true"#, #""sequence_id":"\#(long)""#, #""sequence_id":1,"sequence_start":1"#] {
      let reply = try client.post("/v2/models/sum/infer", SequenceTests.request([1, 1, 1, 1], parameters))
      #expect(reply?.status == 400 && reply?.text.contains("sequence_") == true)
    }
    // The state is no input of requests.
    let body = SequenceTests.request([1, 1, 1, 1], #""sequence_id":1,"sequence_start":true"#)
    #expect(try client.post("/v2/models/sum/infer", body.replacing("\"sample\"", with: "\"state\""))?.status == 400)
    #expect(server.server.residents.sequences.figures.count == 0)
  }

  @Test func memoryIsCountedAndBounded() throws {
    let server = try SequenceTests.server()
    let client = try TestClient(server.repository.socket)
    #expect(server.budget.reservedByteCount(for: .sequences) == 0)
    for id in 1...ServingLimits.ownSequencesMax {
      #expect(try ask(client, [1, 1, 1, 1], #""sequence_id":\#(id),"sequence_start":true"#) == [1, 1, 1, 1])
    }
    #expect(server.budget.reservedByteCount(for: .sequences) >= 8 * ServingLimits.ownSequencesMax)
    let reply = try client.post(
      "/v2/models/sum/infer", SequenceTests.request([1, 1, 1, 1], #""sequence_id":999,"sequence_start":true"#))
    #expect(reply?.status == 503 && reply?.text.contains("sequences are under way already") == true)
    #expect(try ask(client, [1, 1, 1, 1], #""sequence_id":1,"sequence_end":true"#) == [2, 2, 2, 2])
    #expect(try ask(client, [1, 1, 1, 1], #""sequence_id":999,"sequence_start":true"#) == [1, 1, 1, 1])
    #expect(try client.get("/metrics")?.text.contains("thimble_sequences \(ServingLimits.ownSequencesMax)\n") == true)
    #expect(try client.post("/v2/repository/models/sum/unload")?.status == 200)
    #expect(server.wait { server.budget.reservedByteCount(for: .sequences) == 0 })
  }

  @Test func idleSequencesGo() throws {
    let configuration = SequenceTests.configuration.replacing("60000000", with: "2000")
    let server = try SequenceTests.server(configuration)
    let client = try TestClient(server.repository.socket)
    #expect(try ask(client, [1, 1, 1, 1], #""sequence_id":1,"sequence_start":true"#) == [1, 1, 1, 1])
    #expect(server.wait { server.budget.reservedByteCount(for: .sequences) == 0 })
    #expect(server.server.residents.sequences.figures.evictionCount == 1)
    let reply = try client.post("/v2/models/sum/infer", SequenceTests.request([1, 1, 1, 1], #""sequence_id":1"#))
    #expect(reply?.status == 400 && reply?.text.contains("idle for too long") == true)
  }

  @Test func mistakesNameTheKey() throws {
    for (state, message) in [
      (
        #"{"input_name":"stat","output_name":"total"}"#,
        "sequence_batching.state[0].input_name: the model has no such input"
      ),
      (#"{"input_name":"state","output_name":"sum"}"#, "sequence_batching.state[0].output_name: the model has no such"),
      (#"{"input_name":"state","output_name":"total","initial_state":[{"data_file":"x"}]}"#, "states start at zero"),
    ] {
      let server = try SequenceTests.server(#"{"sequence_batching":{"state":[\#(state)]}}"#)
      let client = try TestClient(server.repository.socket)
      let reply = try client.post("/v2/repository/models/sum/load")
      #expect(reply?.status == 500 && reply?.text.contains(message) == true, "\(reply?.text ?? "")")
    }
  }

  @Test func connectionsOwnTheirsOverTCP() throws {
    let store = SequenceStore()
    let server = try SequenceTests.server()
    let model = try #require(server.server.residents.loadedModel("sum", version: nil))
    var parameters = InferenceParameters()
    parameters.sequenceID = .number(1)
    parameters.startsSequence = true
    let first = try store.begin(parameters, of: model, .connection(16), server.server.residents)
    first?.commit()
    if let first { store.end(first, isLast: false) }
    parameters.startsSequence = false
    #expect(throws: ServingError.self) {
      _ = try store.begin(parameters, of: model, .connection(17), server.server.residents)
    }
    #expect(try store.begin(parameters, of: model, .connection(16), server.server.residents) === first)
    store.close(16)
    #expect(store.figures.count == 0)
  }
}
