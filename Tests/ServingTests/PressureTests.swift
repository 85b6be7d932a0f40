import Glibc
import Memory
import Protocols
import System
import Testing

@testable import Serving

/// The sources of memory pressure under a root of the test's own, and what the server makes of them.
@Suite struct PressureTests {
  /// A repository whose `system` folder is the root of what the machine says.
  func repository(availableKiB: Int = 800_000) throws -> TestRepository {
    let files = try TestRepository()
    for folder in ["system", "system/proc", "system/proc/self", "system/sys", "system/sys/fs", "system/sys/fs/cgroup"] {
      try FileSystem.createDirectory(files.path + "/" + folder)
    }
    try setAvailable(availableKiB, files)
    return files
  }

  /// Writes beside the file and renames, as nobody may see half of it.
  func setAvailable(_ kibibytes: Int, _ files: TestRepository) throws {
    try files.write("MemTotal: 1000000 kB\nMemAvailable: \(kibibytes) kB\n", to: "system/proc/new")
    try FileSystem.rename(files.path + "/system/proc/new", to: files.path + "/system/proc/meminfo")
  }

  func sources(_ files: TestRepository, _ environment: [String: String] = [:]) -> PressureSources {
    PressureSources(root: files.path + "/system") { environment[$0] }
  }

  @Test func saysWhatIsMissing() throws {
    let files = try TestRepository()
    let sources = sources(files)
    #expect(sources.remarks.count == 3 && sources.sources.isEmpty)
    #expect(sources.remarks[0].hasPrefix("no stall triggers (cannot watch "))
    #expect(sources.read() == PressureReadings())
    #expect(self.sources(try repository(), ["MEMORY_PRESSURE_WATCH": "/dev/null"]).remarks.count == 2)
  }

  @Test func readsTheMachine() throws {
    let files = try repository(availableKiB: 20_000)
    let readings = sources(files).read()
    #expect(readings.machine == .init(limitByteCount: 1_024_000_000, usedByteCount: 1_003_520_000))
    #expect(readings.worst.severity == .high && readings.group == nil)
    try files.write("MemTotal: 99999999999999999999 kB\nMemAvailable: 1 kB\n", to: "system/proc/meminfo")
    #expect(sources(files).read().machine == nil)
  }

  @Test func readsUnifiedGroups() throws {
    let files = try repository()
    try files.write("0::/a/b\n", to: "system/proc/self/cgroup")
    for folder in ["a", "a/b"] { try FileSystem.createDirectory(files.path + "/system/sys/fs/cgroup/" + folder) }
    let group = "system/sys/fs/cgroup/a/b/"
    try files.write("low 0\nhigh 3\nmax 1\noom 0\noom_kill 7\n", to: group + "memory.events")
    try files.write("max\n", to: group + "memory.max")
    try files.write("9000000\n", to: group + "memory.current")
    try files.write("64000000\n", to: "system/sys/fs/cgroup/a/memory.max")
    try files.write("63500000\n", to: "system/sys/fs/cgroup/a/memory.current")
    try files.write(
      "anon 5\ninactive_file 20000000\nfile_mapped 5000000\nfile 1\n", to: "system/sys/fs/cgroup/a/memory.stat")
    let sources = sources(files)
    #expect(sources.sources.count == 1)
    var readings = sources.read()
    #expect(readings.highCount == 0 && readings.maxCount == 0 && readings.oomCount == 0)
    // What of files can go does not count; what is mapped does.
    #expect(readings.group == .init(limitByteCount: 64_000_000, usedByteCount: 48_500_000))
    #expect(sources.sources.first?.notice.take() == false)
    try files.write("low 0\nhigh 5\nmax 1\noom 1\noom_kill 7\n", to: group + "memory.events")
    #expect(sources.sources.first?.notice.take() == true && sources.sources.first?.notice.take() == false)
    readings = sources.read()
    #expect(readings.highCount == 2 && readings.maxCount == 0 && readings.oomCount == 1)
    #expect(sources.read().oomCount == 0)
    // Where tasks are held up is a limit as well.
    try files.write("63600000\n", to: "system/sys/fs/cgroup/a/memory.high")
    #expect(sources.read().group == .init(limitByteCount: 63_600_000, usedByteCount: 48_500_000))
    // Counters that go back, or are gone, are no news.
    try files.write("high 1\n", to: group + "memory.events")
    #expect(sources.read().highCount == 0)
  }

  @Test func readsLegacyGroups() throws {
    let files = try repository()
    try files.write("4:memory:/x\n1:cpu:/\n", to: "system/proc/self/cgroup")
    for folder in ["memory", "memory/x"] {
      try FileSystem.createDirectory(files.path + "/system/sys/fs/cgroup/" + folder)
    }
    let group = "system/sys/fs/cgroup/memory/x/"
    try files.write("32000000\n", to: group + "memory.limit_in_bytes")
    try files.write("31900000\n", to: group + "memory.usage_in_bytes")
    try files.write(
      "inactive_file 9\ntotal_inactive_file 100000\ntotal_active_file 50000\ntotal_mapped_file 50000\n",
      to: group + "memory.stat")
    try files.write("9223372036854771712\n", to: "system/sys/fs/cgroup/memory/memory.limit_in_bytes")
    let readings = sources(files).read()
    #expect(readings.group == .init(limitByteCount: 32_000_000, usedByteCount: 31_800_000))
    #expect(readings.worst.severity == .critical)
  }

  @Test func readsTheServiceManagersPipe() throws {
    let files = try repository()
    #expect(mkfifo(files.path + "/system/pipe", 0o600) == 0)
    let sources = sources(files, ["MEMORY_PRESSURE_WATCH": "/pipe"])
    #expect(sources.hasStallTrigger && !sources.read().hasSomeStall)
    let writer = open(files.path + "/system/pipe", O_WRONLY | O_NONBLOCK)
    #expect(write(writer, "x", 1) == 1)
    #expect(sources.read().hasSomeStall && !sources.read().hasSomeStall)
    close(writer)
    #expect(!sources.read().hasSomeStall)
  }

  // MARK: The server

  func rung(_ client: TestClient) throws -> String? {
    try JSON(parsing: try client.get("/v2/thimble/models")?.text ?? "")["rung"]?.string
  }

  func state(_ client: TestClient) throws -> String? {
    try JSON(parsing: try client.get("/v2/thimble/models")?.text ?? "")["models"]?.array?.first?["state"]?.string
  }

  @Test(.timeLimit(.minutes(1))) func theServerGoesDownTheLadder() throws {
    let files = try repository()
    try files.addModel()
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    let request = TestClient.binary(try TestRepository.picture(5))
    try client.send(request)
    let answer = try client.reply()?.body
    #expect(answer != nil)
    #expect(try rung(client) == "none" && state(client) == "loaded")
    let loaded = server.budget.reservedByteCount
    try setAvailable(1000, files)
    #expect(server.wait { (try? self.rung(client)) == "refuse" })
    #expect(server.wait { (try? self.state(client)) == "asleep" })
    #expect(server.budget.reservedByteCount < loaded && server.server.buffers.spareByteCount == 0)
    #expect(!server.server.residents.responses.keepsResponses)
    try client.send(request)
    let refusal = try client.reply()
    #expect(refusal?.status == 503 && refusal?.text.contains("short of memory") == true)
    #expect((1...10).contains(refusal?.head.retryAfterSeconds ?? 0))
    #expect(try client.get("/v2/health/ready")?.status == 503)
    #expect(try client.post("/v2/repository/models/digits/load")?.status == 503)
    #expect(try client.get("/v2/health/live")?.status == 200)
    let metrics = try client.get("/metrics")?.text ?? ""
    #expect(metrics.contains("thimble_pressure_rung 6\n") && metrics.contains("thimble_models_asleep 1\n"))
    #expect(metrics.contains(#"thimble_pressure_steps_total{rung="refuse",direction="down"} 1"#))
    // Ten seconds of quiet lead up one rung, where inferences are taken again; the model wakes by itself.
    try setAvailable(900_000, files)
    #expect(server.wait(seconds: 20) { (try? self.rung(client)) == "sleep" })
    try client.send(request)
    #expect(try client.reply()?.body == answer)
    #expect(try state(client) == "loaded")
  }

  /// Nothing to give up: nothing to wake for.
  @Test func anIdleServerWithoutModelsSleeps() throws {
    let files = try repository()
    try files.addModel()
    let server = try TestServer(files) { $0.initialLoad = .only([]) }
    #expect(server.server.housekeepingDueNanoseconds == Int64.max)
    let client = try TestClient(files.socket)
    #expect(try client.post("/v2/repository/models/digits/load")?.status == 200)
    #expect(server.server.housekeepingDueNanoseconds < Int64.max)
    #expect(try client.post("/v2/repository/models/digits/unload")?.status == 200)
    #expect(server.server.housekeepingDueNanoseconds == Int64.max)
  }
}
