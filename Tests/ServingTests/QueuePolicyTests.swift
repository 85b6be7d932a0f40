import Protocols
import System
import Testing

@testable import Serving

/// Priorities, limits and timeouts as a model's configuration and its clients ask for them, and clients that hang up.
@Suite struct QueuePolicyTests {
  private func configuration(_ text: String) throws -> QueueConfiguration {
    try Array(text.utf8).withUnsafeBytes { try ModelConfiguration(parsing: $0).queue }
  }

  @Test func configurationIsRead() throws {
    let queue = try configuration(
      #"""
      {"dynamic_batching":{"preferred_batch_size":[4],"priority_levels":4,"default_priority_level":3,
       "default_queue_policy":{"timeout_action":"DELAY","default_timeout_microseconds":500,"max_queue_size":7,
       "allow_timeout_override":false},"priority_queue_policy":{"1":{"max_queue_size":2}}}}
      """#)
    #expect([0, 1, 4, 5].map { queue.level($0) } == [3, 1, 4, 3])
    #expect(queue.policy(of: 3).timeoutAction == .delay && queue.policy(of: 3).requestsMax == 7)
    #expect(queue.policy(of: 3).timeoutMicros(requested: 9) == 500)
    #expect(queue.policy(of: 1).requestsMax == 2 && queue.policy(of: 1).timeoutAction == .reject)
    #expect(try configuration("{}") == QueueConfiguration() && QueueConfiguration().level(1) == 1)
    #expect(try configuration(#"{"dynamic_batching":{"priority_levels":0}}"#).level(1) == 2)
    #expect(try configuration(#"{"dynamic_batching":{"priority_levels":5}}"#).level(0) == 3)
    let policy = QueuePolicy(timeoutMicros: 100)
    #expect([0, 50, 500].map { policy.timeoutMicros(requested: $0) } == [100, 50, 100])
  }

  @Test(arguments: [
    #"{"priority_levels":33}"#, #"{"priority_levels":2,"default_priority_level":3}"#, #"{"priority_levels":"2"}"#,
    #"{"default_queue_policy":3}"#, #"{"default_queue_policy":{"timeout_action":"DROP"}}"#,
    #"{"default_queue_policy":{"max_queue_size":-1}}"#, #"{"priority_queue_policy":{"high":{}}}"#,
    #"{"priority_queue_policy":{"0":{}}}"#, "[]",
  ])
  func wrongConfigurationsAreRefused(_ text: String) {
    #expect(throws: ProtocolError.self) { try configuration(#"{"dynamic_batching":\#(text)}"#) }
  }

  private func serving(_ policy: String, change: (inout ServerConfiguration) -> Void = { _ in }) throws -> TestServer {
    let files = try TestRepository()
    try files.addModel(configuration: #"{"dynamic_batching":\#(policy)}"#)
    return try TestServer(files, change: change)
  }

  private func send(_ client: TestClient, _ parameters: String) throws {
    let body = TestClient.json(try TestRepository.picture(0), parameters: parameters)
    try client.send(TestClient.request("/v2/models/digits/infer", Array(body.utf8)))
  }

  @Test func prioritiesReachTheQueue() throws {
    let server = try serving(#"{"priority_levels":3,"default_priority_level":2}"#)
    let gate = server.block()
    let clients = try (0..<3).map { _ in try TestClient(server.repository.socket) }
    let order = [3, 0, 1]
    for (index, priority) in order.enumerated() {
      try send(clients[index], #"{"priority":\#(priority)}"#)
      #expect(server.wait { server.server.scheduler.queuedCount == index + 1 })
    }
    let levels = server.server.connections.compactMap { $0?.job?.ticket?.level }
    #expect(Set(levels) == [1, 2, 3])
    gate.open()
    for client in clients { #expect(try client.reply()?.status == 200) }
    #expect(try clients[0].get("/v2/models/digits/config")?.text.contains(#""priority_levels":3"#) == true)
  }

  @Test func modelsAndClientsHaveLimits() throws {
    let server = try serving(#"{"default_queue_policy":{"max_queue_size":1}}"#) { $0.limits.userRequestsMax = 2 }
    let gate = server.block()
    let clients = try (0..<4).map { _ in try TestClient(server.repository.socket) }
    try send(clients[0], "{}")
    #expect(server.wait { server.server.scheduler.queuedCount == 1 })
    try send(clients[1], "{}")
    let refused = try #require(try clients[1].reply())
    #expect(refused.status == 503 && refused.text.contains("1 requests wait for model digits already"))
    try send(clients[2], #"{"priority":1}"#)
    #expect(server.wait { server.server.scheduler.queuedCount == 2 })
    try send(clients[3], #"{"priority":3}"#)
    let tooMany = try #require(try clients[3].reply())
    #expect(tooMany.status == 503 && tooMany.text.contains("2 requests of yours wait already"))
    gate.open()
    for index in [0, 2] { #expect(try clients[index].reply()?.status == 200) }
    #expect(
      try clients[1].get("/metrics")?.text.contains(
        #"nv_inference_pending_request_count{model="digits",version="1"} 0"#)
        == true)
  }

  @Test func timeoutsOfThePolicyAreKept() throws {
    let server = try serving(#"{"default_queue_policy":{"default_timeout_microseconds":2000}}"#)
    let gate = server.block()
    let client = try TestClient(server.repository.socket)
    try send(client, "{}")
    let reply = try #require(try client.reply())
    #expect(reply.status == 503 && reply.text.contains("timeout of 2000 µs"))
    gate.open()
  }

  @Test func delayedRequestsAreAnsweredAllTheSame() throws {
    let server = try serving(
      #"{"default_queue_policy":{"default_timeout_microseconds":1000,"timeout_action":"DELAY"}}"#)
    let gate = server.block()
    let client = try TestClient(server.repository.socket)
    try send(client, "{}")
    #expect(server.wait { server.server.scheduler.queuedCount == 1 })
    Futex().wait(while: 0, timeoutNanoseconds: 3_000_000)
    gate.open()
    #expect(try client.reply()?.status == 200)
  }

  @Test func whoHangsUpIsForgotten() throws {
    let server = try serving("{}")
    let gate = server.block()
    let client = try TestClient(server.repository.socket)
    try send(client, "{}")
    #expect(server.wait { server.server.scheduler.queuedCount == 1 })
    client.hangUp()
    #expect(server.wait { server.server.scheduler.queuedCount == 0 })
    gate.open()
    #expect(
      try TestClient(server.repository.socket).get("/metrics")?.text
        .contains(#"nv_inference_pending_request_count{model="digits",version="1"} 0"#) == true)
  }
}
