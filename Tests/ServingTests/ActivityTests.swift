import Protocols
import System
import Tensors
import Testing
import ThimbleClient

@testable import Serving

/// What a live page shows.
@Suite struct ActivityTests {
  @Test func stepsCoverAllTimes() {
    var last: Int64 = 0
    for step in 0..<216 {
      let upper = LatencyWindow.upperNanoseconds(step)
      #expect(upper > last)
      // What is just below the end of a step is of it, and its end is of the next one.
      #expect(LatencyWindow.step(upper - 1) == step || step > 100 && LatencyWindow.step(upper - 1000) == step)
      #expect(LatencyWindow.step(upper) == min(215, step + 1))
      last = upper
    }
    #expect(LatencyWindow.step(0) == 0 && LatencyWindow.step(-5) == 0 && LatencyWindow.step(Int64.max) == 215)
  }

  @Test func quantilesOfTheLastSeconds() throws {
    let server = try TestServer(TestRepository())
    let second: Int64 = 1_000_000_000
    let window = LatencyWindow(try server.server.buffers.reserve(LatencyWindow.byteCount), at: 0)
    #expect(window.quantileNanoseconds(0.5) == nil)
    for index in 0..<1000 { #expect(window.note(Int64(index) * 10_000, at: second)) }
    for share in [0.1, 0.5, 0.9, 0.99] {
      let exact = share * 10_000_000
      let found = Double(try #require(window.quantileNanoseconds(share)))
      #expect(found >= exact * 0.99 && found <= exact * 1.14, "\(share): \(found)")
    }
    // They are kept for the next half of the window, and not longer.
    #expect(window.note(1_000_000, at: 6 * second))
    #expect(window.quantileNanoseconds(0.99) ?? 0 > 9_000_000)
    #expect(window.note(1_000_000, at: 11 * second))
    #expect(window.quantileNanoseconds(0.99) ?? .max < 1_200_000)
    window.watch(at: 30 * second)
    #expect(window.quantileNanoseconds(0.5) == nil)
    #expect(window.note(1, at: 89 * second) && !window.note(1, at: 91 * second))
  }

  @Test func saysWhatTheServerDoes() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let client = ThimbleClient(socketPath: files.socket)
    let input = ClientTensor(
      name: "image", elementType: .uint8, shape: Shape([1, 8, 8, 1]), bytes: try TestRepository.picture(0))
    _ = try client.infer("digits", inputs: [input])
    #expect(server.server.metrics.first?.latencies == nil)
    let before = try client.activity()
    #expect(before.models.first?.medianNanoseconds == nil && before.models.first?.successCount == 1)
    for _ in 0..<5 { _ = try client.infer("digits", inputs: [input]) }
    #expect(throws: ClientError.self) { try client.infer("digits", inputs: []) }
    let now = try client.activity()
    let model = try #require(now.models.first)
    #expect(model.name == "digits" && model.version == "1" && model.state == "loaded" && model.byteCount > 0)
    #expect(model.successCount == 6 && model.failureCount == 1 && model.inferenceCount == 6)
    let (median, p99) = (model.medianNanoseconds ?? 0, model.p99Nanoseconds ?? 0)
    #expect(median > 0 && p99 >= median)
    let elapsed = Double(now.timeNanoseconds - before.timeNanoseconds) / 1e9
    let rate = try #require(model.requestsPerSecond(since: before, until: now))
    #expect(abs(rate * elapsed - 6) < 0.001)
    #expect(model.requestsPerSecond(since: now, until: now) == nil)
    #expect(now.budgetByteCount == 256 << 20 && now.reservedByteCount > 0 && now.peakResidentByteCount > 0)
    #expect(now.threadCount == 1 && now.connectionCount == 1 && now.rung == "none" && now.governor == nil)
  }
}
