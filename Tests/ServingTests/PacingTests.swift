import Memory
import Protocols
import System
import Testing

@testable import Serving

/// Rates that are kept and pauses that are made: only that nothing comes too early, since machines may be slow.
@Suite struct PacingTests {
  @Test(.timeLimit(.minutes(1))) func ratesAreKeptEvenly() throws {
    let repository = try TestRepository()
    try repository.addModel(configuration: #"{"rate":20}"#)
    let server = try TestServer(repository)
    let picture = try TestRepository.picture(0)
    let start = Clock.nowNanoseconds
    for _ in 0..<5 {
      let client = try TestClient(repository.socket)
      #expect(try client.post("/v2/models/digits/infer", TestClient.json(picture))?.status == 200)
    }
    #expect(Clock.nowNanoseconds - start >= 4 * 50_000_000)
    let client = try TestClient(repository.socket)
    #expect(try client.get("/v2/models/digits/config")?.text.contains(#""rate":20"#) == true)
    withExtendedLifetime(server) {}
  }

  @Test func ratesThatMakeNoSenseAreRefused() {
    for text in ["0", "-1", "1e9", "\"fast\"", "[]", "1e400"] {
      let json = Array("{\"rate\":\(text)}".utf8)
      let configuration = try? json.withUnsafeBytes { (bytes) throws in try ModelConfiguration(parsing: bytes) }
      #expect(configuration == nil, "\(text)")
    }
  }

  @Test func pausesGrowWithTheWork() {
    var pace = Pace()
    pace.ran(from: 1_000, to: 11_000)
    #expect(pace.restsUntilNanoseconds == 0)
    pace.dutyPercent = 50
    #expect(pace.restsUntilNanoseconds == 21_000)
    pace.dutyPercent = 25
    #expect(pace.restsUntilNanoseconds == 41_000)
    pace.ran(from: 0, to: Int64.max / 2)
    #expect(pace.restsUntilNanoseconds == Int64.max / 2 + Pace.pauseNanosecondsMax)
  }

  /// Jobs that compute rest between each other; others do not.
  @Test(.timeLimit(.minutes(1))) func onlyWorkRests() throws {
    let scheduler = try Scheduler(budget: .init(limitByteCount: 1 << 24), capacity: 4)
    scheduler.setDuty(percent: 20)
    let jobs = [Work(paced: true), Work(paced: true), Work(paced: false)]
    for job in jobs { #expect(scheduler.submit(job, limit: 4)) }
    try scheduler.start()
    var finished: [QueuedJob] = []
    while finished.count < 3 { finished += scheduler.takeFinished() }
    scheduler.stop(waits: true)
    #expect(jobs[1].startedNanoseconds >= jobs[0].endedNanoseconds + 80_000_000)
    #expect(finished.map { job in jobs.firstIndex { $0 === job } } == [0, 2, 1])
  }
}

/// Computes for 20 ms.
private final class Work: QueuedJob, @unchecked Sendable {
  private let paced: Bool
  var startedNanoseconds: Int64 = 0
  var endedNanoseconds: Int64 = 0
  init(paced: Bool) {
    self.paced = paced
    super.init(connection: 0)
  }
  override var isPaced: Bool { paced }
  override func run() {
    startedNanoseconds = Clock.nowNanoseconds
    while Clock.nowNanoseconds < startedNanoseconds + 20_000_000 {}
    endedNanoseconds = Clock.nowNanoseconds
  }
}
