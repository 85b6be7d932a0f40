import Memory
import Protocols
import System
import Testing

@testable import Serving

/// Requests of several clients that run together: each gets the answer that it gets alone.
@Suite struct BatchTests {
  private func batches(_ text: String) throws -> BatchConfiguration {
    try Array(text.utf8).withUnsafeBytes { try ModelConfiguration(parsing: $0).queue.batches }
  }

  @Test func configurationIsRead() throws {
    let none = try batches(#"{"dynamic_batching":{"priority_levels":2}}"#)
    #expect(none.countMax(isStreaming: false) == 1 && none.countMax(isStreaming: true) == 8)
    let some = try batches(
      #"{"dynamic_batching":{"preferred_batch_size":[8,4],"max_queue_delay_microseconds":300},"max_batch_size":16}"#)
    #expect(some.countMax(isStreaming: false) == 16 && some.wantedCount(of: 16) == 4 && some.delayMicros == 300)
    let sizes = try batches(#"{"max_batch_size":0,"dynamic_batching":{"preferred_batch_size":[12]}}"#)
    #expect(sizes.countMax(isStreaming: false) == 12 && sizes.wantedCount(of: 12) == 12)
    #expect(try batches(#"{"max_batch_size":1}"#).countMax(isStreaming: true) == 1)
    #expect(try batches(#"{"max_batch_size":4}"#).countMax(isStreaming: true) == 4)
    #expect(try batches(#"{"max_batch_size":4}"#).countMax(isStreaming: false) == 1)
  }

  @Test(arguments: [
    #"{"max_batch_size":65}"#, #"{"max_batch_size":"4"}"#, #"{"dynamic_batching":{"preferred_batch_size":4}}"#,
    #"{"dynamic_batching":{"preferred_batch_size":[0]}}"#,
    #"{"dynamic_batching":{"max_queue_delay_microseconds":-1}}"#,
  ])
  func wrongConfigurationsAreRefused(_ text: String) {
    #expect(throws: ProtocolError.self) { try batches(text) }
  }

  private func serving(
    _ configuration: String, change: (inout ServerConfiguration) -> Void = { _ in }
  ) throws -> TestServer {
    let files = try TestRepository()
    try files.addModel(configuration: configuration)
    return try TestServer(files, change: change)
  }

  private func send(_ client: TestClient, picture: Int, parameters: String = "{}") throws {
    let body = TestClient.json(try TestRepository.picture(picture), parameters: parameters)
    try client.send(TestClient.request("/v2/models/digits/infer", Array(body.utf8)))
  }

  /// The tensors of an answer.
  private func outputs(_ reply: TestClient.Reply?) throws -> Substring {
    let text = try #require(reply).text
    return text[try #require(text.firstRange(of: #""outputs""#)).lowerBound...]
  }

  /// Requests wait for each other up to the preferred size; what they answer is what each answers alone.
  @Test func requestsWaitForEachOther() throws {
    let server = try serving(
      #"{"dynamic_batching":{"preferred_batch_size":[4],"max_queue_delay_microseconds":1000000}}"#)
    let clients = try (0..<4).map { _ in try TestClient(server.repository.socket) }
    for round in 0..<3 {
      for index in clients.indices { try send(clients[index], picture: 4 * round + index) }
      let together = try clients.map { try outputs(try $0.reply()) }
      for index in clients.indices {
        // Parameters that ask for a profile keep it from running with others.
        try send(clients[index], picture: 4 * round + index, parameters: #"{"thimble_profile":true}"#)
        #expect(try outputs(try clients[index].reply()) == together[index])
      }
    }
    let statistics = try #require(try clients[0].get("/v2/models/digits/stats")).text
    #expect(statistics.contains(#""inference_count":24,"execution_count":15"#), "\(statistics)")
    #expect(statistics.contains(#""batch_size":4,"compute_input":{"count":3"#), "\(statistics)")
    let configuration = try #require(try clients[0].get("/v2/models/digits/config")).text
    #expect(configuration.contains(#""preferred_batch_size":[4],"max_queue_delay_microseconds":1000000"#))
  }

  /// What waits behind a run is done together; a bad request among them is refused alone, and who has hung up is not answered.
  @Test func badRequestsOfABatchAreTheirOwn() throws {
    let server = try serving(#"{"max_batch_size":8,"dynamic_batching":{"max_queue_delay_microseconds":0}}"#)
    let gate = server.block()
    let clients = try (0..<5).map { _ in try TestClient(server.repository.socket) }
    for index in clients.indices where index != 2 { try send(clients[index], picture: index) }
    // A float that is no byte is found only when it is decoded.
    let body =
      #"{"inputs":[{"name":"image","shape":[1,8,8,1],"datatype":"UINT8","data":["# + "300"
      + String(repeating: ",1", count: 63) + "]}]}"
    try clients[2].send(TestClient.request("/v2/models/digits/infer", Array(body.utf8)))
    _ = server.wait { server.server.scheduler.queuedCount >= 4 }
    clients[4].hangUp()
    gate.open()
    for index in [0, 1, 3] {
      let together = try outputs(try clients[index].reply())
      try send(clients[index], picture: index)
      #expect(try outputs(try clients[index].reply()) == together)
    }
    #expect(try clients[2].reply()?.status == 400)
  }

  /// Kept results and requests that run together go together.
  @Test func keptResultsAreFound() throws {
    let server = try serving(
      #"{"response_cache":{"enable":true},"dynamic_batching":{"preferred_batch_size":[3],"max_queue_delay_microseconds":500000}}"#
    ) { $0.responseCacheByteCount = 1 << 20 }
    let clients = try (0..<3).map { _ in try TestClient(server.repository.socket) }
    var first: [Substring] = []
    for round in 0..<2 {
      let gate = server.block()
      for index in clients.indices { try send(clients[index], picture: index) }
      _ = server.wait { server.server.scheduler.queuedCount >= (round == 0 ? 3 : 0) }
      gate.open()
      let answers = try clients.map { try outputs(try $0.reply()) }
      if round == 0 { first = answers } else { #expect(answers == first) }
    }
    let statistics = try #require(try clients[0].get("/v2/models/digits/stats")).text
    #expect(statistics.contains(#""cache_hit":{"count":3"#), "\(statistics)")
    #expect(statistics.contains(#""batch_size":3,"compute_input":{"count":1"#), "\(statistics)")
  }

  /// Under pressure requests run one by one, and what several needed is given back.
  @Test func pressureEndsBatches() throws {
    let server = try serving(
      #"{"dynamic_batching":{"preferred_batch_size":[4],"max_queue_delay_microseconds":1000000}}"#)
    let residents = server.server.residents
    let clients = try (0..<4).map { _ in try TestClient(server.repository.socket) }
    func round() throws -> [Substring] {
      for index in clients.indices { try send(clients[index], picture: index) }
      return try clients.map { try outputs(try $0.reply()) }
    }
    let answers = try round()
    #expect(residents.hasRoomForBatches)
    residents.rung = .unbatched
    #expect(residents.hasLeftToGive(at: .unbatched, now: Clock.nowNanoseconds))
    #expect(residents.give(at: .unbatched, now: Clock.nowNanoseconds) > 0 && !residents.hasRoomForBatches)
    #expect(try round() == answers && !residents.hasRoomForBatches)
    let statistics = try #require(try clients[0].get("/v2/models/digits/stats")).text
    #expect(statistics.contains(#""execution_count":5"#), "\(statistics)")
    residents.rung = .none
    #expect(try round() == answers && residents.hasRoomForBatches)
  }
}
