import Foundation
import Memory
import System
import Testing

@testable import Serving

/// Tensors in memory whose descriptor a client passes over the connection.
@Suite struct PassedMemoryTests {
  private let inferPath = "/v2/models/digits/infer"

  private func server() throws -> TestServer {
    let files = try TestRepository()
    try files.addModel()
    return try TestServer(files)
  }

  private func register(
    _ client: TestClient, _ file: borrowing File, name: String = "r", offset: Int = 0, size: Int
  ) throws -> TestClient.Reply? {
    try client.post(
      "/v2/thimble/memory/region/\(name)/register", #"{"offset":\#(offset),"byte_size":\#(size)}"#, passing: file)
  }

  private func write(_ bytes: [UInt8], to file: borrowing File, at offset: Int) throws {
    try bytes.withUnsafeBytes { try file.write($0, at: offset) }
  }

  private func read(_ file: borrowing File, _ range: Range<Int>) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: range.lowerBound) }
    return bytes
  }

  /// Descriptors of this process, the server's and the client's, of memory files of a name.
  private func descriptorCount(_ name: String) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)"))?.hasPrefix("/memfd:\(name) ")
        == true
    }
  }

  /// Glibc's module lacks it.
  private func punchHole(_ descriptor: Int32, byteCount: Int) throws {
    typealias Function = @convention(c) (Int32, Int32, Int, Int) -> Int32
    let fallocate = unsafeBitCast(try #require(dlsym(nil, "fallocate")), to: Function.self)
    try #require(fallocate(descriptor, 3 /* KEEP_SIZE | PUNCH_HOLE */, 0, byteCount) == 0)
  }

  @Test func tensorsGoThroughPassedMemory() throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    let file = try File(sealedInMemory: "in-place", byteCount: 20_000)
    #expect(try register(client, file, offset: 5000, size: 10_000)?.text == "")
    #expect(server.budget.reservedByteCount(for: .regions, kind: .mapped) > 0)
    #expect(
      try client.get("/v2/thimble/memory/status")?.text == #"[{"name":"r","offset":5000,"byte_size":10000}]"#)
    #expect(try client.get("/v2/systemsharedmemory/status")?.text == "[]")
    for index in 0..<4 {
      let picture = try TestRepository.picture(index)
      try client.send(TestClient.binary(picture))
      let expected = Array(try #require(try client.reply()).body.suffix(10))
      try write(picture, to: file, at: 5100)
      let request = SharedMemoryTests.infer(input: "r", inputOffset: 100, output: "r", outputOffset: 9990)
      #expect(try client.post(inferPath, request)?.status == 200)
      #expect(try read(file, 14_990..<15_000) == expected && read(file, 15_000..<15_001) == [0])
    }
    // The mapping is enough: the server keeps no descriptor.
    #expect(server.wait { (try? self.descriptorCount("in-place")) == 1 })
    #expect(try client.post("/v2/thimble/memory/region/r/unregister")?.status == 200)
    #expect(try client.post(inferPath, SharedMemoryTests.infer(input: "r"))?.status == 404)
  }

  @Test func aRegionGoesWithItsConnection() throws {
    let server = try server()
    let (client, other) = (try TestClient(server.repository.socket), try TestClient(server.repository.socket))
    let file = try File(sealedInMemory: "goes", byteCount: 4096)
    #expect(try register(client, file, size: 4096)?.status == 200)
    #expect(try register(client, file, size: 4096)?.status == 400)
    #expect(try other.get("/v2/thimble/memory/status")?.text == "[]")
    #expect(try other.post(inferPath, SharedMemoryTests.infer(input: "r"))?.status == 404)
    #expect(try other.post("/v2/thimble/memory/unregister")?.status == 200)
    #expect(try client.post(inferPath, SharedMemoryTests.infer(input: "r"))?.status == 200)
    // The name is free for others.
    #expect(try register(other, file, size: 4096)?.status == 200)
    client.hangUp()
    #expect(server.wait { server.server.regions.count == 1 })
    other.hangUp()
    #expect(server.wait { server.budget.reservedByteCount(for: .regions) == 0 })
  }

  @Test func wrongDescriptorsAreRefused() throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    func expectRefusal(_ reply: TestClient.Reply?, _ words: String) {
      #expect(reply?.status == 400 && reply?.text.contains(words) == true, "\(reply?.text ?? "")")
    }
    let sealed = try File(sealedInMemory: "sealed", byteCount: 4096)
    expectRefusal(
      try client.post("/v2/thimble/memory/region/r/register", #"{"byte_size":64}"#), "no descriptor came")
    expectRefusal(try register(client, sealed, size: 4097), "has 4096 bytes")
    expectRefusal(try register(client, sealed, offset: 4000, size: 97), "ask for 4097")
    expectRefusal(try register(client, sealed, offset: Int.max, size: 1), "has 4096 bytes")
    let unsealed = try File(inMemory: "unsealed")
    try #require(ftruncate(unsealed.descriptor, 4096) == 0)
    expectRefusal(try register(client, unsealed, size: 64), "F_SEAL_SHRINK")
    expectRefusal(
      try register(client, try File(reading: server.repository.models + "/digits/1/model.thimble"), size: 64),
      "no memfd")
    expectRefusal(try register(client, try File(reading: "/dev/null"), size: 64), "no memfd")
    expectRefusal(try register(client, try File(reading: "/dev/shm"), size: 64), "no memfd")
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    for end in ends { expectRefusal(try register(client, File(passed: end), size: 64), "no memfd") }
    #expect(server.server.regions.count == 0)
    #expect(try register(client, sealed, size: 4096)?.status == 200)
  }

  /// Inputs may be in memory that nobody can write to; outputs not.
  @Test func writeSealedMemoryIsReadOnly() throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    for seal: Int32 in [8, 16] {
      let file = try File(sealedInMemory: "read-only", byteCount: 4096)
      try #require(fcntl(file.descriptor, 1033 /* F_ADD_SEALS */, seal) == 0)
      #expect(try register(client, file, size: 4096)?.status == 200)
      #expect(try client.post(inferPath, SharedMemoryTests.infer(input: "r"))?.status == 200)
      let reply = try client.post(inferPath, SharedMemoryTests.infer(input: "r", output: "r"))
      #expect(reply?.status == 400 && reply?.text.contains("may not be written to") == true)
      #expect(try client.post("/v2/thimble/memory/unregister")?.status == 200)
    }
    // As through a descriptor that is open for reading only.
    let file = try File(sealedInMemory: "read-only", byteCount: 4096)
    let reading = open("/proc/self/fd/\(file.descriptor)", O_RDONLY)
    try #require(reading >= 0)
    #expect(try register(client, File(passed: reading), size: 4096)?.status == 200)
    #expect(try client.post(inferPath, SharedMemoryTests.infer(input: "r", output: "r"))?.status == 400)
  }

  /// Holes are zeros, whenever they are made.
  @Test func punchedMemoryHurtsNobody() throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    let file = try File(sealedInMemory: "hole", byteCount: 8192)
    try write([UInt8](repeating: 16, count: 8192), to: file, at: 0)
    #expect(try register(client, file, size: 8192)?.status == 200)
    #expect(
      try client.post(inferPath, SharedMemoryTests.infer(input: "r", output: "r", outputOffset: 4096))?.status == 200)
    try punchHole(file.descriptor, byteCount: 8192)
    #expect(
      try client.post(inferPath, SharedMemoryTests.infer(input: "r", output: "r", outputOffset: 4096))?.status == 200)
    try client.send(TestClient.binary([UInt8](repeating: 0, count: 64)))
    #expect(try read(file, 4096..<4106) == Array(try #require(try client.reply()).body.suffix(10)))
    try #require(ftruncate(file.descriptor, 0) == -1)
  }

  @Test func descriptorsThatNobodyWantsAreClosed() throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    let file = try File(sealedInMemory: "unwanted", byteCount: 4096)
    let count = { (try? self.descriptorCount("unwanted")) ?? -1 }
    #expect(count() == 1)
    let request = Array("GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
    for _ in 0..<10 {
      try client.send(request, passing: file)
      #expect(try client.reply()?.status == 200)
      #expect(server.wait { count() == 1 })
    }
    // One with every byte, then many with one.
    for byte in request { try client.send([byte], passing: file) }
    #expect(try client.reply()?.status == 200)
    #expect(server.wait { count() == 1 })
    for index in request.indices {
      try sendMany(file.descriptor, count: 100, with: request[index], to: client.descriptor)
      // However many come, the server has no more than one of a client.
      if index == request.count / 2 { #expect(server.wait { count() <= 2 }) }
    }
    #expect(try client.reply()?.status == 200)
    #expect(server.wait { count() == 1 })
    // What comes with a body is not wanted either.
    let half = Array("POST /v2/repository/index HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n".utf8)
    try client.send(half)
    try client.send(Array("{}".utf8), passing: file)
    #expect(try client.reply()?.status == 200)
    #expect(server.wait { count() == 1 })
    try client.send(Array(request[..<5]), passing: file)
    client.hangUp()
    #expect(server.wait { count() == 1 && server.server.connectionCount == 0 })
  }

  private func sendMany(_ descriptor: Int32, count: Int, with byte: UInt8, to socket: Int32) throws {
    var control = [UInt8](repeating: 0, count: 16 + 4 * count)
    var byte = byte
    let sent = control.withUnsafeMutableBytes { control in
      control.storeBytes(of: control.count, as: Int.self)
      control.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: Int32.self)
      control.storeBytes(of: 1 /* SCM_RIGHTS */, toByteOffset: 12, as: Int32.self)
      for index in 0..<count { control.storeBytes(of: descriptor, toByteOffset: 16 + 4 * index, as: Int32.self) }
      return withUnsafeMutableBytes(of: &byte) { payload in
        var vector = iovec(iov_base: payload.baseAddress, iov_len: 1)
        return withUnsafeMutablePointer(to: &vector) { vector in
          var message = msghdr()
          message.msg_iov = vector
          message.msg_iovlen = 1
          message.msg_control = control.baseAddress
          message.msg_controllen = control.count
          return sendmsg(socket, &message, 0)
        }
      }
    }
    try #require(sent == 1)
  }
}
