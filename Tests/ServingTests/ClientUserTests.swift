import Foundation
import Protocols
import Testing

@testable import Serving

/// Gateways say for whom they ask. Who is none is in TCPTests, and in Tests/Clients for other users of a Unix socket.
@Suite struct ClientUserTests {
  private func request(_ path: String, _ body: [UInt8], user: UInt32?) -> [UInt8] {
    var bytes: [UInt8] = []
    HTTPClientRequestHead(
      method: .post, path: path.split(separator: "/").map { String($0) }, contentLength: body.count, clientUser: user
    )
    .write(to: &bytes)
    return bytes + body
  }

  @Test func inferencesCountForTheUserWhoAsked() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    let picture = Array(TestClient.json(try TestRepository.picture(0)).utf8)
    // One after the other over the same connection: each request is for itself.
    for user in [4_000_001, nil, 4_000_001] as [UInt32?] {
      try client.send(request("v2/models/digits/infer", picture, user: user))
      #expect(try client.reply()?.status == 200)
    }
    let metrics = try #require(try client.get("/metrics")).text
    #expect(metrics.contains("thimble_client_inferences_total{user=\"4000001\"} 2"))
    #expect(metrics.contains("thimble_client_inferences_total{user=\"\(getuid())\"} 1"))
    withExtendedLifetime(server) {}
  }

  @Test func regionsAreThoseOfTheUserWhoAsked() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    let object = try SharedMemoryTests.Object([UInt8](repeating: 0, count: 64))
    let body = Array("{\"key\":\"\(object.name)\",\"byte_size\":64}".utf8)
    let path = "v2/systemsharedmemory/region/r/register"
    // The object is this user's, and so only this user's region.
    try client.send(request(path, body, user: 4_000_001))
    #expect(try client.reply()?.status == 403)
    try client.send(request(path, body, user: getuid()))
    #expect(try client.reply()?.status == 200)
    #expect(try #require(try client.get("/v2/systemsharedmemory/status")).text.contains("\"r\""))
    withExtendedLifetime(server) {}
  }
}
