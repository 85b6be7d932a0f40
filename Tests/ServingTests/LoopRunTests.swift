import Memory
import System
import Testing

@testable import Serving

/// Jobs that the event loop does itself.
@Suite struct LoopRunTests {
  /// Calls what it is given.
  private final class ClosureJob: QueuedJob, @unchecked Sendable {
    private let body: () -> Void
    private let paced: Bool
    let hasRun = Futex()

    init(isPaced: Bool = false, _ body: @escaping () -> Void = {}) {
      self.body = body
      paced = isPaced
      super.init(connection: 0)
    }

    override var isPaced: Bool { paced }
    override func run() {
      body()
      hasRun.store(1)
    }
  }

  private func wait(for job: ClosureJob) -> Bool {
    for _ in 0..<5000 where job.hasRun.load() == 0 { job.hasRun.wait(while: 0, timeoutNanoseconds: 1_000_000) }
    return job.hasRun.load() == 1
  }

  @Test func onlyWhereNothingElseRunsOrWaits() throws {
    let scheduler = try Scheduler(budget: MemoryBudget(limitByteCount: 64 << 20), capacity: 8)
    // Without a worker nobody takes what waits.
    let first = ClosureJob()
    #expect(scheduler.runHere(first) && first.hasRun.load() == 1)
    let waiting = ClosureJob()
    #expect(scheduler.submit(waiting, limit: 8))
    let second = ClosureJob()
    #expect(!scheduler.runHere(second) && second.hasRun.load() == 0)
    try scheduler.start()
    #expect(wait(for: waiting))
    let gate = Gate()
    _ = scheduler.submit(GateJob(gate), limit: 8)
    while gate.entered.load() == 0 { gate.entered.wait(while: 0, timeoutNanoseconds: 1_000_000) }
    #expect(!scheduler.runHere(second) && second.hasRun.load() == 0)
    gate.open()
    while !scheduler.runHere(second) { Futex().wait(while: 0, timeoutNanoseconds: 100_000) }
    // What comes meanwhile is not forgotten, and does not run at the same time.
    let later = ClosureJob()
    var ranTooEarly = false
    let here = ClosureJob {
      _ = scheduler.submit(later, limit: 8)
      later.hasRun.wait(while: 0, timeoutNanoseconds: 5_000_000)
      ranTooEarly = later.hasRun.load() == 1
    }
    while !scheduler.runHere(here) { Futex().wait(while: 0, timeoutNanoseconds: 100_000) }
    #expect(!ranTooEarly && wait(for: later))
    scheduler.stop(waits: true)
    #expect(!scheduler.runHere(ClosureJob()))
  }

  @Test func pausesAndPromisedTimesAreKept() throws {
    let scheduler = try Scheduler(budget: MemoryBudget(limitByteCount: 64 << 20), capacity: 8)
    let promised = ClosureJob()
    promised.earliestNanoseconds = Clock.nowNanoseconds + 60_000_000_000
    #expect(!scheduler.runHere(promised))
    scheduler.setDuty(percent: 1)
    let long = ClosureJob(isPaced: true) { Futex().wait(while: 0, timeoutNanoseconds: 20_000_000) }
    #expect(scheduler.runHere(long))
    #expect(!scheduler.runHere(ClosureJob(isPaced: true)) && scheduler.runHere(ClosureJob()))
  }

  @Test func oneInterruptedRunMakesNoModelSlow() {
    let metrics = ModelMetrics(model: "digits", version: 1)
    func ran(_ nanoseconds: Int64) {
      metrics.succeeded(.init(inputNanoseconds: 1000, inferenceNanoseconds: nanoseconds - 1000), batch: 1)
    }
    ran(20_000)
    ran(180_000)
    #expect(metrics.usualComputeNanoseconds == 40_000)
    ran(18_000)
    #expect(metrics.usualComputeNanoseconds == 18_000)
    // One that has become slow is known to be so after some runs.
    for _ in 0..<40 { ran(180_000) }
    #expect(metrics.usualComputeNanoseconds ?? 0 > 170_000)
  }

  @Test func answersAreTheSame() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let clients = try (0..<3).map { _ in try TestClient(files.socket) }
    let pictures = try (0..<3).map { try TestRepository.picture($0) }
    var answers: [[UInt8]] = []
    // The first run is the worker's; from the second on it is known how long one takes.
    for picture in pictures {
      try clients[0].send(TestClient.binary(picture))
      answers.append(try #require(try clients[0].reply()).body)
    }
    #expect(server.server.metrics[0].usualComputeNanoseconds != nil)
    for _ in 0..<20 {
      for (client, picture) in zip(clients, pictures) { try client.send(TestClient.binary(picture)) }
      for (client, answer) in zip(clients, answers) { #expect(try client.reply()?.body == answer) }
    }
    // Many in one go, of which the loop does some and the worker the others, in order.
    let order = (0..<200).map { ($0 * 7) % 3 }
    try clients[0].send(order.flatMap { TestClient.binary(pictures[$0]) })
    for index in order { #expect(try clients[0].reply()?.body == answers[index]) }
    // While the worker is busy requests wait for it.
    let gate = server.block()
    try clients[0].send(TestClient.binary(pictures[0]))
    #expect(server.wait { server.server.scheduler.queuedCount == 1 })
    gate.open()
    #expect(try clients[0].reply()?.body == answers[0])
    let text = try clients[0].get("/metrics")?.text ?? ""
    #expect(text.contains(#"nv_inference_request_success{model="digits",version="1"} 264"#))
    #expect(text.contains(#"nv_inference_pending_request_count{model="digits",version="1"} 0"#))
  }
}
