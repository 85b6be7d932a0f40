import Foundation
import Memory
import Power
import Protocols
import System
import TestSupport
import Testing

@testable import Devices
@testable import Serving

/// A server whose sensors are files: it takes less when they say so, and tells.
@Suite struct GovernorServingTests {
  private func wait(for what: String, _ condition: () throws -> Bool) throws {
    for _ in 0..<600 {
      if try condition() { return }
      usleep(20_000)
    }
    Issue.record("no \(what) within 12 s")
  }

  private func governor(_ client: TestClient) throws -> JSON {
    try JSON(parsing: try #require(try client.get("/v2/thimble/governor")).text)
  }

  @Test(.timeLimit(.minutes(1))) func heatTakesThreadsAway() throws {
    let tree = try SensorTree.raspberryPi4()
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files, threadCount: 4) {
      $0.systemRoot = tree.path
      $0.power = PowerConfiguration(profile: .balanced)
    }
    let client = try TestClient(files.socket)
    let picture = try TestRepository.picture(1)
    func answer() throws -> JSON {
      let reply = try #require(try client.post("/v2/models/digits/infer", TestClient.json(picture)))
      #expect(reply.status == 200, "\(reply.text)")
      return try JSON(parsing: reply.text)
    }
    let cool = try answer()
    #expect(cool["parameters"]?["thimble_state"]?.string == "nominal")
    // As many as this process may use here.
    let threadCount = min(4, System.Thread.usableProcessorCount)
    #expect(try governor(client)["threads"]?.int == Int64(threadCount))

    try tree.setTemperature(84_000)
    try wait(for: "heat") { try governor(client)["state"]?.string != "nominal" }
    let hot = try answer()
    #expect(hot["outputs"] == cool["outputs"])
    #expect(try #require(hot["parameters"]?["thimble_threads"]?.int) <= max(1, threadCount / 2))
    let document = try governor(client)
    #expect(document["reason"]?.string?.contains("cpu-thermal") == true && document["changes"]?.int ?? 0 > 0)
    #expect(document["sensors"]?["zones"]?.array?.isEmpty == false)
    let metrics = try #require(try client.get("/metrics")).text
    #expect(metrics.contains("thimble_governor_threads \(document["threads"]?.int ?? -1)"))
    #expect(!metrics.contains("thimble_governor_state 0"))

    // A sensor that is gone means less than full speed, not more.
    try FileManager.default.removeItem(atPath: tree.file("sys/class/thermal"))
    try wait(for: "blindness") {
      let document = try governor(client)
      return document["duty_percent"]?.int ?? 100 < 100 && document["headroom"] == nil
    }
    withExtendedLifetime(server) {}
  }

  @Test(.timeLimit(.minutes(1))) func profilesAreReloadedLive() throws {
    let tree = try SensorTree.raspberryPi5()
    let files = try TestRepository()
    let folder = files.path + "/profiles"
    try FileSystem.createDirectory(folder)
    func write(_ percent: Int) throws {
      try files.write(
        #"{"states":{"nominal":{"mains":{"threads":1,"duty_percent":\#(percent)}}}}"#, to: "profiles/mine.json")
    }
    try write(90)
    let directory = PowerProfileDirectory(folder)
    let server = try TestServer(files, threadCount: 4) {
      $0.systemRoot = tree.path
      $0.power = PowerConfiguration(profile: try! directory.profile(named: "mine"), directory: directory)
    }
    let client = try TestClient(files.socket)
    #expect(try governor(client)["duty_percent"]?.int == 90)
    try write(80)
    try wait(for: "new profile") { try governor(client)["duty_percent"]?.int == 80 }
    // What makes no sense changes nothing.
    try files.write("{", to: "profiles/mine.json")
    usleep(100_000)
    #expect(try governor(client)["duty_percent"]?.int == 80)
    withExtendedLifetime(server) {}
  }

  @Test func fixedThreadsStay() throws {
    let tree = try SensorTree.raspberryPi4()
    try tree.setTemperature(90_000)
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files, threadCount: 3) {
      $0.systemRoot = tree.path
      $0.power = PowerConfiguration(profile: .balanced)
      $0.power?.fixesThreads = true
    }
    #expect(server.server.residents.effort.threadLimit == Int.max)
    #expect(server.server.residents.effort.state == "critical")
  }

  @Test func energySaysWhoseWordItIs() throws {
    let files = try TestRepository()
    try files.addModel()
    var target = Target(name: "board")
    target.power.clusters = [.init(cores: [0, 1], activeMilliwatts: 1_500)]
    let server = try TestServer(files) { $0.power = PowerConfiguration(profile: .balanced, target: target) }
    let client = try TestClient(files.socket)
    let picture = try TestRepository.picture(0)
    #expect(try client.post("/v2/models/digits/infer", TestClient.json(picture))?.status == 200)
    let energy = try #require(try governor(client)["energy"])
    #expect(energy["source"]?.string == "model" && energy["inferences"]?.int == 1)
    let metrics = try #require(try client.get("/metrics")).text
    #expect(metrics.contains("thimble_energy_joules_total{source=\"model\"}"))
    // One client: all of it is its own user's, as far as the cores were busy with inferences.
    let user = "\(getuid())"
    let share = try #require(energy["clients"]?.array?.first)
    #expect(share["user"]?.string == user && share["inferences"]?.int == 1)
    let (whole, part) = (energy["joules"]?.double, share["joules"]?.double)
    #expect(try #require(part) > 0 && #require(part) <= #require(whole))
    #expect(metrics.contains("thimble_client_inferences_total{user=\"\(user)\"} 1"))
    #expect(metrics.contains("thimble_client_energy_joules_total{user=\"\(user)\",source=\"model\"}"))
    withExtendedLifetime(server) {}
  }

  @Test func usersAreToldApart() {
    var usage = ClientUsage()
    for user in 0..<UInt32(ClientUsage.sharesMax) { usage.add(user, coreNanoseconds: 10) }
    usage.add(nil, coreNanoseconds: 5)
    usage.add(3, coreNanoseconds: 7)
    usage.add(7_000, coreNanoseconds: -1)
    #expect(usage.shares.count == ClientUsage.sharesMax && usage.shares[3].coreNanoseconds == 17)
    #expect(usage.named.last?.name == "other" && usage.named.last?.share.inferenceCount == 2)
    #expect(usage.others.coreNanoseconds == 5)
    var remote = ClientUsage()
    remote.add(nil, coreNanoseconds: 1)
    #expect(remote.named.map(\.name) == ["remote"])
  }

  @Test func withoutAGovernorThereIsNone() throws {
    let server = try TestServer(try TestRepository())
    #expect(try TestClient(server.repository.socket).get("/v2/thimble/governor")?.status == 404)
  }
}
