import Protocols
import System
import Testing

@testable import Serving

/// Versions of a model, as clients find them.
@Suite struct VersionTests {
  private static let path = "/v2/models/digits/infer"

  private func version(_ reply: TestClient.Reply?) throws -> String? {
    #expect(reply?.status == 200, "\(reply?.text ?? "no answer")")
    return try JSON(parsing: reply?.text ?? "")["model_version"]?.string
  }

  private func load(_ client: TestClient, _ configuration: String) throws {
    let reply = try client.post(
      "/v2/repository/models/digits/load", TestClient.override(configuration))
    #expect(reply?.status == 200, "\(reply?.text ?? "")")
  }

  @Test func answersToLabels() throws {
    let files = try TestRepository()
    try files.addModel()
    try files.addModel(
      version: 2, configuration: #"{"version_labels":{"stable":1,"canary":2,"a b":2}}"#)
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    let request = TestClient.json(try TestRepository.picture(0))
    for (label, number) in [("stable", "1"), ("canary", "2"), ("a%20b", "2"), ("1", "1")] {
      let model = "/v2/models/digits/versions/\(label)"
      #expect(try version(client.post(model + "/infer", request)) == number)
      #expect(try client.get(model + "/ready")?.status == 200)
      let stats = try JSON(parsing: client.get(model + "/stats")?.text ?? "")
      #expect(stats["model_stats"]?.array?.first?["version"]?.string == number)
    }
    #expect(try version(client.post(VersionTests.path, request)) == "2")
    #expect(try client.post("/v2/models/digits/versions/other/infer", request)?.status == 404)
    let status = try client.get("/v1/models/digits/labels/stable")
    #expect(status?.text.contains(#""version":"1""#) == true && status?.text.contains(#""version":"2""#) == false)
    let picture = try TestRepository.picture(0)
    let rows = (0..<8).map { row in "[" + (0..<8).map { "[\(picture[8 * row + $0])]" }.joined(separator: ",") + "]" }
    let instance = #"{"instances":[[\#(rows.joined(separator: ","))]]}"#
    #expect(try client.post("/v1/models/digits/labels/canary:predict", instance)?.status == 200)
    #expect(try client.post("/v1/models/digits/labels/nobody:predict", instance)?.status == 404)
    let configuration = try client.get("/v2/models/digits/config")?.text
    #expect(configuration?.contains(#""version_labels":{"stable":1,"canary":2,"a b":2}"#) == true)
    _ = server
  }

  @Test func sharesRequestsByKey() throws {
    let files = try TestRepository()
    try files.addModel()
    try files.addModel(version: 2, configuration: #"{"traffic":{"1":70,"2":30}}"#)
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    let request = TestClient.json(try TestRepository.picture(0))
    func versions() throws -> [String?] {
      try (0..<100).map {
        try version(client.post(VersionTests.path, request, headers: "Thimble-Routing-Key: client-\($0)\r\n"))
      }
    }
    let first = try versions()
    let count = first.count { $0 == "2" }
    #expect((15...45).contains(count), "\(count)")
    #expect(try versions() == first)
    // The same key in the request.
    for index in 0..<10 {
      let keyed = TestClient.json(
        try TestRepository.picture(0), parameters: #"{"thimble_routing_key":"client-\#(index)"}"#)
      #expect(try version(client.post(VersionTests.path, keyed)) == first[index])
    }
    // A connection stays where it is.
    let own = try version(client.post(VersionTests.path, request))
    for _ in 0..<10 { #expect(try version(client.post(VersionTests.path, request)) == own) }
    // So does one of a gateway's, whichever way it takes.
    let other = try TestClient(files.socket)
    let behindGateway = try (0..<40).map { number in
      let headers = "Thimble-Client-User: 4000001\r\nThimble-Client-Connection: \(number)\r\n"
      let answers = try [client, other].map { try version($0.post(VersionTests.path, request, headers: headers)) }
      #expect(answers[0] == answers[1])
      return answers[0]
    }
    #expect(Set(behindGateway).count == 2)
    // What names a version gets it.
    #expect(try version(client.post("/v2/models/digits/versions/2/infer", request)) == "2")
    // A larger share keeps whom it had, and neither version is read again.
    let before = server.server.repository.loaded("digits")
    try load(client, #"{"traffic":{"1":40,"2":60}}"#)
    let after = server.server.repository.loaded("digits")
    #expect(zip(before, after).allSatisfy { $0 === $1 } && before.count == 2 && after.count == 2)
    let second = try versions()
    #expect(zip(first, second).allSatisfy { $0 == "1" || $1 == "2" } && second.count { $0 == "2" } > count)
    let metrics = try client.get("/metrics")?.text
    #expect(metrics?.contains(#"thimble_traffic_weight{model="digits",version="2"} 60"#) == true)
    // One user's clients stay together.
    try load(client, #"{"traffic":{"1":1,"2":1},"traffic_by":"user"}"#)
    let mine = try version(client.post(VersionTests.path, request))
    for _ in 0..<10 {
      #expect(try version(TestClient(files.socket).post(VersionTests.path, request)) == mine)
    }
    // Without shares the highest answers.
    try load(client, #"{"version_policy":{"all":{}}}"#)
    #expect(try versions().allSatisfy { $0 == "2" })
  }

  @Test func rollsBackAVersionThatFails() throws {
    let files = try TestRepository()
    try files.addModel()
    // The new version's input has another name, which its clients do not know.
    try files.addModel(version: 2, input: "pixels")
    try files.write(
      #"{"traffic":{"1":1,"2":1},"rollback":{"min_request_count":8}}"#, to: "models/digits/config.json")
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    let request = TestClient.json(try TestRepository.picture(0))
    func failures(_ keys: Range<Int>) throws -> Int {
      try keys.reduce(0) {
        let reply = try client.post(VersionTests.path, request, headers: "Thimble-Routing-Key: \($1)\r\n")
        return reply?.status == 200 ? $0 : $0 + 1
      }
    }
    // What is no version's fault does not count.
    for key in 0..<40 {
      #expect(
        try client.post(VersionTests.path, "{", headers: "Thimble-Routing-Key: \(key)\r\n")?.status == 400)
    }
    #expect(try failures(0..<100) == 8)
    #expect(try failures(0..<100) == 0)
    let metrics = try client.get("/metrics")?.text
    #expect(metrics?.contains(#"thimble_traffic_rollbacks_total{model="digits",version="2"} 1"#) == true)
    #expect(metrics?.contains(#"thimble_traffic_weight{model="digits",version="2"} 0"#) == true)
    #expect(try client.post("/v2/repository/index", "{}")?.text.contains("rolled back") == true)
    #expect(try client.get("/v2/models/digits/versions/2/ready")?.status == 200)
    // It stays so when the same is loaded again, until the shares change or the version is loaded anew.
    #expect(try client.post("/v2/repository/models/digits/load", "{}")?.status == 200)
    #expect(try failures(0..<50) == 0)
    try load(client, #"{"traffic":{"1":3,"2":1},"rollback":{"min_request_count":4}}"#)
    #expect(try failures(0..<100) == 4)
    #expect(try client.post("/v2/repository/models/digits/unload", "{}")?.status == 200)
    #expect(try client.post("/v2/repository/models/digits/load", "{}")?.status == 200)
    #expect(try failures(0..<100) == 8)
    _ = server
  }
}
