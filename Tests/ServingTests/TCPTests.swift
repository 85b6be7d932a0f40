import Foundation
import Testing

@testable import Serving

/// Clients that know no Unix sockets.
@Suite struct TCPTests {
  @Test func addressesAreRead() {
    #expect(TCPAddress("127.0.0.1:8000") == TCPAddress(host: 0x7F00_0001, port: 8000))
    #expect(TCPAddress("8000") == TCPAddress(host: TCPAddress.loopback, port: 8000))
    #expect(TCPAddress("localhost:1") == TCPAddress(port: 1) && TCPAddress("0.0.0.0:0") == TCPAddress(host: 0, port: 0))
    #expect(TCPAddress("192.168.1.20:65535")?.description == "192.168.1.20:65535")
    for text in [
      "", ":", ":8000", "127.0.0.1", "127.0.0.1:", "1.2.3:8000", "1.2.3.4.5:8000", "1.2.3.256:8000", "1.2.3.:8000",
      "::1:8000", "host:8000", "127.0.0.1:65536", "127.0.0.1:-1", "-1", "127.0.0.1:80x",
    ] {
      #expect(TCPAddress(text) == nil, "\(text)")
    }
  }

  /// All that comes back of a connection of one request.
  private func exchange(_ port: UInt16, _ method: String, _ path: String, _ body: String = "", header: String = "")
    throws -> String
  {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = TCPAddress.loopback.bigEndian
    let length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) }
    }
    try #require(connected == 0)
    let request = Array(
      "\(method) \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\(header)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        .utf8)
    try #require(send(descriptor, request, request.count, 0) == request.count)
    var reply: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      try #require(count >= 0)
      if count == 0 { return String(decoding: reply, as: UTF8.self) }
      reply += buffer[..<count]
    }
  }

  @Test func requestsComeOverTCPWhereThatIsAskedFor() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files) { $0.tcpAddress = TCPAddress(port: 0) }
    let port = try #require(server.server.listener?.tcpPort)
    #expect(try exchange(port, "GET", "/v2/health/ready").hasPrefix("HTTP/1.1 200 OK\r\n"))
    let picture = try TestRepository.picture(0)
    #expect(try exchange(port, "POST", "/v2/models/digits/infer", TestClient.json(picture)).contains("242"))
    let client = try TestClient(files.socket)
    #expect(try client.get("/v2/health/ready")?.status == 200)
    // Nobody asks for another over TCP, whoever it is.
    let refused = try exchange(port, "GET", "/v2/health/ready", header: "Thimble-Client-User: 0\r\n")
    #expect(refused.hasPrefix("HTTP/1.1 403 Forbidden\r\n") && refused.contains("Thimble-Client-User"))
    // The kernel knows whose connection within the machine it is.
    let object = try SharedMemoryTests.Object(picture + [UInt8](repeating: 0, count: 64))
    let registered = try exchange(
      port, "POST", "/v2/systemsharedmemory/region/r/register", #"{"key":"\#(object.name)","byte_size":128}"#)
    #expect(registered.hasPrefix("HTTP/1.1 200 OK\r\n"), "\(registered)")
    let request = SharedMemoryTests.infer(input: "r", output: "r", outputOffset: 64)
    #expect(try exchange(port, "POST", "/v2/models/digits/infer", request).hasPrefix("HTTP/1.1 200 OK\r\n"))
    #expect(try object.bytes[71] == 242)
    #expect(try client.get("/v2/systemsharedmemory/status")?.text.contains(object.name) == true)
    if getuid() == 0 {
      try #require(chown(object.path, 12345, 12345) == 0)
      let refused = try exchange(
        port, "POST", "/v2/systemsharedmemory/region/s/register", #"{"key":"\#(object.name)","byte_size":128}"#)
      #expect(refused.contains("403") && refused.contains("another user"))
    }
    // A port that is taken is an error, and leaves no socket behind.
    let second = try TestRepository()
    try second.addModel()
    let error = #expect(throws: ServingError.self) {
      try TestServer(second) { $0.tcpAddress = TCPAddress(port: port) }
    }
    #expect(error?.message.contains("TCP port \(port)") == true)
    #expect(!FileManager.default.fileExists(atPath: second.socket))
  }

  @Test func nobodyListensUnasked() throws {
    let files = try TestRepository()
    try files.addModel()
    #expect(try TestServer(files).server.listener?.tcpPort == nil)
  }
}
