import Foundation
import Memory
import System
import Testing

@testable import Serving

/// Results that are kept for requests with the same inputs.
@Suite struct ResponseCacheTests {
  private let path = "/v2/models/digits/infer"
  private static let enabled = #"{"response_cache":{"enable":true},"labels":["a","b"]}"#

  private func server(
    _ configuration: String? = enabled, byteCount: Int = 1 << 20, budgetBytes: Int = 256 << 20
  ) throws -> TestServer {
    let files = try TestRepository()
    try files.addModel(configuration: configuration)
    return try TestServer(files, budgetBytes: budgetBytes) { $0.responseCacheByteCount = byteCount }
  }

  private func metric(_ client: TestClient, _ name: String) throws -> Double? {
    let text = try client.get("/metrics")?.text ?? ""
    return text.split(separator: "\n").first { $0.hasPrefix(name) && !$0.hasPrefix("#") }
      .flatMap { Double($0.split(separator: " ").last ?? "") }
  }

  /// Hits, misses and runs of the model.
  private func counts(_ client: TestClient) throws -> [Double?] {
    try [
      "nv_cache_num_hits_per_model{model=\"digits\"", "nv_cache_num_misses_per_model{model=\"digits\"",
      "nv_inference_exec_count{model=\"digits\"",
    ].map { try metric(client, $0) }
  }

  private func binary(_ client: TestClient, _ picture: [UInt8]) throws -> TestClient.Reply {
    try client.send(TestClient.binary(picture))
    return try #require(try client.reply())
  }

  @Test func theSameInputsRunOnce() throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    let pictures = try (0..<3).map { try TestRepository.picture($0) }
    let first = try pictures.map { try binary(client, $0) }
    #expect(try counts(client) == [0, 3, 3])
    for (picture, answer) in zip(pictures, first) {
      let again = try binary(client, picture)
      #expect(again.status == 200 && again.body == answer.body && again.head == answer.head)
    }
    #expect(try counts(client) == [3, 3, 3])
    // However the inputs come and the outputs go.
    let json = try client.post(path, TestClient.json(pictures[0], outputs: #"[{"name":"probabilities"}]"#))
    #expect(json?.text.contains(#""data":["#) == true)
    let classes = try client.post(
      path, TestClient.json(pictures[0], outputs: #"[{"name":"probabilities","parameters":{"classification":1}}]"#))
    #expect(classes?.text.contains("242:7") == true)
    #expect(try counts(client) == [5, 3, 3])
    #expect(try metric(client, "nv_inference_request_success{") == 8 && metric(client, "nv_inference_count{") == 3)
    #expect(try metric(client, "nv_cache_num_entries") == 3 && metric(client, "nv_cache_util") ?? 0 > 0)
    let statistics = try client.get("/v2/models/digits/stats")?.text ?? ""
    #expect(
      statistics.contains(#""cache_hit":{"count":5,"ns":"#) && statistics.contains(#""cache_miss":{"count":3,"ns":"#))
    #expect(statistics.contains(#""success":{"count":8,"#) && statistics.contains(#""compute_infer":{"count":3,"#))
    // A profile is of a run.
    #expect(
      try client.post(path, TestClient.json(pictures[0], parameters: #"{"thimble_profile":true}"#))?.text
        .contains("thimble_profile") == true)
    #expect(try metric(client, "nv_inference_exec_count{") == 4)
    #expect(server.budget.reservedByteCount(for: .responses) > 0)
  }

  @Test func nothingIsKeptUnlessBothAskForIt() throws {
    for (configuration, byteCount) in [
      (nil, 1 << 20), (#"{"response_cache":{"enable":false}}"#, 1 << 20), (Self.enabled, 0),
    ] {
      let server = try server(configuration, byteCount: byteCount)
      let client = try TestClient(server.repository.socket)
      for _ in 0..<2 { #expect(try binary(client, try TestRepository.picture(0)).status == 200) }
      #expect(try counts(client) == [0, 0, 2])
      #expect(try metric(client, "nv_cache_num_entries") == 0)
      let enables = configuration == Self.enabled
      #expect(
        try client.get("/v2/models/digits/config")?.text.contains(#""response_cache":{"enable":\#(enables)}"#) == true)
    }
    let files = try TestRepository()
    try files.addModel(configuration: #"{"response_cache":true}"#)
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    #expect(try client.post("/v2/repository/models/digits/load")?.text.contains("response_cache") == true)
    _ = server
  }

  @Test func sharedMemoryIsLookedUpToo() throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    let object = try SharedMemoryTests.Object(try TestRepository.picture(0) + [UInt8](repeating: 0, count: 64))
    let register = #"{"key":"\#(object.name)","byte_size":128}"#
    #expect(try client.post("/v2/systemsharedmemory/region/r/register", register)?.status == 200)
    let answer = Array(try binary(client, try TestRepository.picture(0)).body.suffix(10))
    let request = SharedMemoryTests.infer(input: "r", output: "r", outputOffset: 64)
    #expect(try client.post(path, request)?.status == 200)
    #expect(try Array(object.bytes[64..<74]) == answer)
    #expect(try counts(client) == [1, 1, 1])
    // Other bytes in the same place.
    let file = try File(creating: object.path)
    try (try TestRepository.picture(1)).withUnsafeBytes { try file.write($0) }
    try #require(truncate(object.path, 128) == 0)
    #expect(try client.post("/v2/systemsharedmemory/unregister")?.status == 200)
    #expect(try client.post("/v2/systemsharedmemory/region/r/register", register)?.status == 200)
    #expect(try client.post(path, request)?.status == 200)
    #expect(try counts(client) == [1, 2, 2])
    #expect(try Array(object.bytes[64..<74]) == Array(binary(client, try TestRepository.picture(1)).body.suffix(10)))
    #expect(try counts(client) == [2, 2, 2])
  }

  @Test func usedLeastRecentlyGoesFirst() throws {
    // Entries take a page each.
    let server = try server(byteCount: 3 * Mapping.pageByteCount)
    let client = try TestClient(server.repository.socket)
    let pictures = try (0..<4).map { try TestRepository.picture($0) }
    for picture in pictures[..<3] { _ = try binary(client, picture) }
    _ = try binary(client, pictures[0])
    #expect(try counts(client) == [1, 3, 3])
    _ = try binary(client, pictures[3])
    #expect(try metric(client, "nv_cache_num_entries") == 3 && metric(client, "nv_cache_num_evictions") == 1)
    _ = try binary(client, pictures[0])
    #expect(try counts(client) == [2, 4, 4])
    _ = try binary(client, pictures[1])
    #expect(try counts(client) == [2, 5, 5])
    // Not so much as one.
    let small = try self.server(byteCount: Mapping.pageByteCount / 100)
    let other = try TestClient(small.repository.socket)
    for _ in 0..<2 { #expect(try binary(other, pictures[0]).status == 200) }
    #expect(try counts(other) == [0, 0, 2])
  }

  @Test func anotherVersionAnswersForItself() throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    let picture = try TestRepository.picture(0)
    for _ in 0..<2 { _ = try binary(client, picture) }
    #expect(try counts(client) == [1, 1, 1] && metric(client, "nv_cache_num_entries") == 1)
    #expect(try client.post("/v2/repository/models/digits/unload")?.status == 200)
    #expect(try metric(client, "nv_cache_num_entries") == 0)
    #expect(try binary(client, picture).status == 404)
    #expect(try client.post("/v2/repository/models/digits/load")?.status == 200)
    _ = try binary(client, picture)
    #expect(try counts(client) == [1, 2, 2])
    // Replaced in flight.
    try server.repository.addModel(version: 2, configuration: Self.enabled)
    #expect(try client.post("/v2/repository/models/digits/load")?.status == 200)
    #expect(server.wait { (try? self.metric(client, "nv_cache_num_entries")) == 0 })
    #expect(try binary(client, picture).text.contains(#""model_version":"2""#))
  }

  @Test func pressureTakesResultsFirst() throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    _ = try binary(client, try TestRepository.picture(0))
    let responses = server.server.residents.responses
    #expect(responses.figures.entryCount == 1)
    responses.keepsResponses = false
    #expect(responses.figures.entryCount == 0 && responses.figures.byteCount == 0)
    _ = try binary(client, try TestRepository.picture(0))
    #expect(try counts(client) == [0, 1, 2])
    responses.keepsResponses = true
    for _ in 0..<2 { _ = try binary(client, try TestRepository.picture(0)) }
    #expect(try counts(client) == [1, 2, 3])
    // And so does whoever needs room.
    let needed = server.budget.availableByteCount + 1
    #expect(
      server.server.residents.makeRoom(
        for: .doesNotFit(needed: needed, available: needed - 1, leastBudget: 0), sparing: nil))
    #expect(responses.figures.entryCount == 0 && server.server.repository.loadedModels.count == 1)
  }

  /// A hash alone would not do.
  @Test func entriesAreComparedByteForByte() throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    for position in [0, 31, 32, 63] {
      var picture = try TestRepository.picture(position % 5)
      _ = try binary(client, picture)
      picture[position] ^= 1
      let before = try counts(client)[0]
      _ = try binary(client, picture)
      #expect(try counts(client)[0] == before)
    }
  }
}
