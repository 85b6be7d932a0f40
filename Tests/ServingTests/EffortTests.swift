import Foundation
import Memory
import Protocols
import System
import Testing

@testable import Serving

/// Runs take as many threads as they may and are worth, and say so.
@Suite struct EffortTests {
  @Test(.timeLimit(.minutes(1))) func modelsLearnHowManyThreadsTheyAreWorth() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files, threadCount: 2)
    // In a gap between requests, or from what this device keeps.
    let model = try #require(server.server.residents.models.first)
    while model.residency.calibrationDueNanoseconds == 0 { usleep(5000) }
    let picture = try TestRepository.picture(2)
    let client = try TestClient(files.socket)
    #expect(try client.post("/v2/models/digits/infer", TestClient.json(picture))?.status == 200)
    #expect(model.threadTimes.times.map { $0.threadCount } == [1, 2])
    // And again at another moment, unless this device keeps that too.
    while model.residency.calibrationDueNanoseconds < Clock.nowNanoseconds + 20_000_000_000 { usleep(5000) }
    #expect(try client.post("/v2/models/digits/infer", TestClient.json(picture))?.status == 200)
    #expect(model.threadTimes.roundCount > 1)
  }

  @Test func answersSayWithHowMuchEffort() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files, threadCount: 3)
    let client = try TestClient(files.socket)
    let picture = try TestRepository.picture(7)
    func answer(_ effort: ComputeEffort) throws -> JSON {
      server.server.residents.effort = effort
      let reply = try #require(try client.post("/v2/models/digits/infer", TestClient.json(picture)))
      #expect(reply.status == 200, "\(reply.text)")
      return try JSON(parsing: reply.text)
    }
    let free = try answer(.init())
    #expect(free["parameters"] == nil)
    let hot = try answer(.init(threadLimit: 1, processors: [0], state: "serious"))
    #expect(hot["outputs"] == free["outputs"])
    #expect(hot["parameters"]?["thimble_threads"]?.int == 1)
    #expect(hot["parameters"]?["thimble_state"]?.string == "serious")
    // Processors that are not there change nothing.
    let lost = try answer(.init(threadLimit: 2, processors: [100_000], state: "fair"))
    #expect(lost["outputs"] == free["outputs"])
  }
}
