import Memory
import Protocols
import System
import Testing

@testable import Serving

/// What requests hold is in the budget as long as they hold it.
@Suite struct HeldMemoryTests {
  @Test func aQueuedConfigurationIsReserved() throws {
    let files = try TestRepository()
    try files.addModel()
    // Nothing is loaded that could make room.
    let server = try TestServer(files, budgetBytes: 8 << 20) { $0.initialLoad = .only([]) }
    let gate = server.block()
    let text = String(repeating: " ", count: 1_000_000) + "{}"
    let request = TestClient.request(
      "/v2/repository/models/digits/load", Array(#"{"parameters":{"config":"\#(text)"}}"#.utf8))
    let before = server.budget.reservedByteCount
    let clients = try (0..<8).map { _ in try TestClient(files.socket) }
    var queued = 0
    for client in clients {
      try client.send(request)
      #expect(
        server.wait {
          server.server.scheduler.queuedCount > queued || server.budget.availableByteCount < 3_000_000
        })
      queued = server.server.scheduler.queuedCount
      #expect(server.budget.reservedByteCount >= before + queued * 1_000_000)
    }
    // The last ones did not fit.
    #expect(queued >= 1 && queued < 8)
    #expect(try clients[7].reply()?.status == 503)
    gate.open()
    _ = try clients[0].reply()
    #expect(server.wait { server.server.scheduler.queuedCount == 0 })
    for client in clients { client.hangUp() }
    #expect(server.wait { server.server.connectionCount == 0 && server.budget.reservedByteCount <= before + 4096 })
    #expect(server.budget.peakReservedByteCount <= 8 << 20)
  }

  @Test func aDocumentIsReservedBeforeItIsWritten() throws {
    let files = try TestRepository()
    let labels = (0..<20_000).map { #""label \#($0)""# }.joined(separator: ",")
    try files.addModel(configuration: #"{"labels":[\#(labels)]}"#)
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    #expect(try client.get("/v2/health/live")?.status == 200)
    func refusal() throws -> Int? {
      let rest = try server.budget.reserve(server.budget.availableByteCount - 8192, for: .program)
      defer { _ = rest.byteCount }
      return try client.get("/v2/models/digits/config")?.status
    }
    #expect(try refusal() == 507)
    let document = try client.get("/v2/models/digits/config")
    #expect(document?.status == 200 && document?.text.contains(#""label 19999""#) == true)
  }

  @Test func boundsOfDocumentsHold() throws {
    let hostile = String(repeating: "\u{1}\"\\\n\t/é", count: 30)
    var writer = JSONWriter()
    writer.string(hostile)
    #expect(writer.bytes.count == hostile.jsonByteCount)
    let list = ModelList(models: (0..<50).map { "\(hostile)\($0)" })
    #expect(list.jsonBytes.count <= list.jsonBytesMax)
    let tensor = TensorMetadata(name: hostile, elementType: .float32, dimensions: [Int.max, Int.max, Int.min, 1])
    let metadata = ModelMetadata(
      name: hostile, versions: ["\(Int.max)", "1"], platform: "thimble", inputs: [tensor, tensor], outputs: [tensor])
    #expect(metadata.jsonBytes.count <= metadata.jsonBytesMax)
    let row = RepositoryIndexEntry(name: hostile, version: "\(Int.max)", state: .unavailable, reason: hostile)
    #expect(row.jsonBytes.count <= row.jsonBytesMax)
    let metrics = ModelMetrics(model: hostile, version: Int.max)
    (metrics.successCount, metrics.failureCount, metrics.inferenceCount) = (Int.max, Int.max, Int.max)
    (metrics.executionCount, metrics.pendingCount, metrics.lastInferenceMilliseconds) = (Int.max, Int.max, Int64.max)
    metrics.failureNanoseconds = Int64.max
    metrics.durations = .init(
      requestNanoseconds: Int64.max, queueNanoseconds: Int64.max, inputNanoseconds: Int64.max,
      inferenceNanoseconds: Int64.max, outputNanoseconds: Int64.max)
    let statistics = StatisticsDocument(rows: [.init(metrics: metrics, byteCount: Int.max)])
    #expect(statistics.jsonBytes.count <= statistics.jsonBytesMax)

    let files = try TestRepository()
    for name in ["a\"\"\"", "b"] {
      try files.addModel(name, version: 99_999, configuration: TestRepository.digitLabels)
    }
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    // In debug builds the server itself asserts that its documents keep to their bounds.
    for path in ["/metrics", "/v2/models", "/v2/models/b", "/v2/models/b/config", "/v2/models/stats"] {
      #expect(try client.get(path)?.status == 200)
    }
    #expect(try client.post("/v2/repository/index")?.status == 200)
    server.server.metrics = [metrics, metrics, metrics]
    var page = MetricsWriter()
    server.server.writeMetrics(&page)
    #expect(page.bytes.count <= server.server.metricsBytesMax)
  }
}
