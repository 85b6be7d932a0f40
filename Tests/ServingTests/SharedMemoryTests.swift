import Foundation
import Memory
import Protocols
import Synchronization
import System
import Testing

@testable import Serving

/// Tensors in memory that clients share by name, as Triton has it.
@Suite struct SharedMemoryTests {
  /// A named object in memory, unlinked when it goes away.
  final class Object {
    let name: String
    var path: String { SharedRegions.directory + "/" + name }
    private static let count = Atomic(0)

    init(_ bytes: [UInt8]) throws {
      name = "thimble-test-\(Process.identifier)-\(Self.count.add(1, ordering: .relaxed).newValue)"
      let file = try File(creating: SharedRegions.directory + "/" + name)
      try bytes.withUnsafeBytes { try file.write($0) }
    }

    deinit { try? FileSystem.remove(path) }

    var bytes: [UInt8] { get throws { try File.bytes(of: path, limit: 1 << 20) } }
  }

  static func infer(
    input: String, inputOffset: Int = 0, output: String? = nil, outputOffset: Int = 0, outputBytes: Int = 10
  ) -> String {
    func parameters(_ region: String, _ offset: Int, _ count: Int) -> String {
      #""parameters":{"shared_memory_region":"\#(region)","shared_memory_offset":\#(offset),"#
        + #""shared_memory_byte_size":\#(count)}"#
    }
    let outputs = output.map {
      #","outputs":[{"name":"probabilities",\#(parameters($0, outputOffset, outputBytes))}]"#
    }
    return #"{"inputs":[{"name":"image","shape":[1,8,8,1],"datatype":"UINT8",\#(parameters(input, inputOffset, 64))}]"#
      + (outputs ?? "") + "}"
  }

  private func register(
    _ client: TestClient, _ name: String, key: String, offset: String = "0", size: String
  ) throws -> TestClient.Reply {
    try #require(
      try client.post(
        "/v2/systemsharedmemory/region/\(name)/register",
        #"{"key":"\#(key)","offset":\#(offset),"byte_size":\#(size)}"#))
  }

  private func server() throws -> TestServer {
    let files = try TestRepository()
    try files.addModel()
    return try TestServer(files)
  }

  private let inferPath = "/v2/models/digits/infer"

  /// The digits model's answer as raw bytes.
  private func expected(_ client: TestClient, _ picture: [UInt8]) throws -> [UInt8] {
    try client.send(TestClient.binary(picture))
    return Array(try #require(try client.reply()).body.suffix(10))
  }

  @Test func tensorsGoThroughANamedRegion() throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    // Off page boundaries, in the object and in the region.
    for index in 0..<4 {
      let picture = try TestRepository.picture(index)
      let answer = try expected(client, picture)
      let object = try Object([UInt8](repeating: 7, count: 5000) + picture + [UInt8](repeating: 9, count: 5000))
      let key = index % 2 == 0 ? "/" + object.name : object.name
      let reply = try register(client, "r", key: key, offset: "4990", size: "5000")
      #expect(reply.status == 200, "\(reply.text)")
      let inferred = try client.post(inferPath, Self.infer(input: "r", inputOffset: 10, output: "r", outputOffset: 100))
      #expect(inferred?.status == 200)
      #expect(
        inferred?.text.contains(
          #""outputs":[{"name":"probabilities","datatype":"UINT8","shape":[1,10],"parameters":{"shared_memory_region":"r","#
            + #""shared_memory_byte_size":10,"shared_memory_offset":100}}]"#) == true, "\(inferred?.text ?? "")")
      let bytes = try object.bytes
      #expect(Array(bytes[5090..<5100]) == answer)
      #expect(bytes[5089] == 9 && bytes[5100] == 9 && Array(bytes[5000..<5064]) == picture)
      // Only the input shared.
      #expect(try client.post(inferPath, Self.infer(input: "r", inputOffset: 10))?.status == 200)
      #expect(try client.post("/v2/systemsharedmemory/unregister")?.status == 200)
    }
  }

  @Test func regionsAreListedAndForgotten() throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    let object = try Object([UInt8](repeating: 0, count: 10_000))
    let before = server.budget.reservedByteCount
    #expect(try register(client, "one", key: object.name, size: "64").status == 200)
    #expect(try register(client, "two", key: object.name, offset: "5000", size: "5000").status == 200)
    #expect(server.budget.reservedByteCount(for: .regions, kind: .mapped) == 3 * Mapping.pageByteCount)
    let one = #"{"name":"one","key":"\#(object.name)","offset":0,"byte_size":64}"#
    let two = #"{"name":"two","key":"\#(object.name)","offset":5000,"byte_size":5000}"#
    // Every connection of the user sees them.
    let other = try TestClient(server.repository.socket)
    #expect(try other.get("/v2/systemsharedmemory/status")?.text == "[\(one),\(two)]")
    #expect(try other.get("/v2/systemsharedmemory/region/two/status")?.text == "[\(two)]")
    #expect(try other.get("/v2/systemsharedmemory/region/none/status")?.status == 404)
    #expect(try other.get("/v2/thimble/memory/status")?.text == "[]")
    #expect(try other.post("/v2/systemsharedmemory/region/one/register", "{}")?.status == 400)
    let taken = try register(client, "one", key: object.name, size: "64")
    #expect(taken.status == 400 && taken.text.contains("registered already"))
    #expect(try client.post("/v2/systemsharedmemory/region/one/unregister")?.status == 200)
    #expect(try client.post("/v2/systemsharedmemory/region/one/unregister")?.status == 200)
    #expect(try other.get("/v2/systemsharedmemory/status")?.text == "[\(two)]")
    let gone = try client.post(inferPath, Self.infer(input: "one"))
    #expect(gone?.status == 404 && gone?.text.contains(#"no shared memory region \"one\""#) == true)
    #expect(try client.post("/v2/systemsharedmemory/unregister")?.status == 200)
    #expect(server.budget.reservedByteCount(for: .regions) == 0 && server.budget.reservedByteCount <= before + 65536)
    let metadata = try client.get("/v2")?.text ?? ""
    #expect(metadata.contains(#""system_shared_memory""#))
  }

  @Test func wrongRegistrationsAreRefused() throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    let object = try Object([UInt8](repeating: 0, count: 100))
    let link = object.path + "-link"
    try #require(symlink(object.path, link) == 0)
    defer { unlink(link) }
    let folder = object.path + "-folder"
    try FileSystem.createDirectory(folder)
    defer { rmdir(folder) }
    func expectRefusal(_ key: String, _ offset: String, _ size: String, _ status: Int, _ words: String) throws {
      let reply = try register(client, "r", key: key, offset: offset, size: size)
      #expect(reply.status == status && reply.text.contains(words), "\(reply.status) \(reply.text)")
    }
    let name = object.name
    let most = "9223372036854775807"
    try expectRefusal(name, "0", "0", 400, "at least 1")
    try expectRefusal(name, "0", "-1", 400, "byte_size")
    try expectRefusal(name, "0", "101", 400, "has 100 bytes where offset and byte_size ask for 101")
    try expectRefusal(name, "37", "64", 400, "ask for 101")
    try expectRefusal(name, most, "64", 400, "has 100 bytes")
    try expectRefusal(name, "0", most, 507, "half of the memory budget")
    try expectRefusal(name, "0", "\((256 << 20) / 2 + 1)", 507, "half of the memory budget")
    try expectRefusal("", "0", "64", 400, "one name without slashes")
    try expectRefusal("/", "0", "64", 400, "one name without slashes")
    try expectRefusal("..", "0", "64", 400, "one name without slashes")
    try expectRefusal("//\(name)", "0", "64", 400, "one name without slashes")
    try expectRefusal("../shm/\(name)", "0", "64", 400, "one name without slashes")
    try expectRefusal(#"\#(name)\u0000x"#, "0", "64", 400, "one name without slashes")
    try expectRefusal("\(name)-none", "0", "64", 400, "No such file")
    try expectRefusal("\(name)-link", "0", "64", 400, "symbolic link")
    try expectRefusal("\(name)-folder", "0", "64", 400, "folder")
    if getuid() == 0 {
      try #require(chown(object.path, 12345, 12345) == 0)
      try expectRefusal(name, "0", "64", 403, "another user")
      try #require(chown(object.path, 0, 0) == 0)
    }
    let long = try register(client, String(repeating: "r", count: 256), key: name, size: "64")
    #expect(long.status == 400 && long.text.contains("255 bytes"))
    #expect(server.server.regions.count == 0 && server.budget.reservedByteCount(for: .regions) == 0)
    #expect(try register(client, "r", key: name, offset: "36", size: "64").status == 200)
  }

  @Test func wrongPlacesAreRefused() throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    let object = try Object([UInt8](repeating: 0, count: 100))
    #expect(try register(client, "r", key: object.name, size: "100").status == 200)
    func expectRefusal(_ request: String, _ status: Int, _ words: String) throws {
      let reply = try client.post(inferPath, request)
      #expect(reply?.status == status && reply?.text.contains(words) == true, "\(reply?.text ?? "")")
    }
    try expectRefusal(Self.infer(input: "r", inputOffset: 37), 400, "outside of shared memory region")
    try expectRefusal(Self.infer(input: "r", inputOffset: Int.max), 400, "shared_memory_offset")
    try expectRefusal(Self.infer(input: "r", inputOffset: Int.max - 64), 400, "outside of shared memory region")
    try expectRefusal(Self.infer(input: "none"), 404, "none")
    try expectRefusal(Self.infer(input: "r", output: "r", outputBytes: 9), 400, "takes 10 bytes")
    try expectRefusal(Self.infer(input: "r", output: "r", outputOffset: 91), 400, "outside of shared memory region")
    try expectRefusal(Self.infer(input: "r", output: "none"), 404, "none")
    try expectRefusal(
      Self.infer(input: "r").replacingOccurrences(of: #""shared_memory_byte_size":64"#, with: #""x":1"#), 400,
      "shared_memory_byte_size")
    try expectRefusal(
      Self.infer(input: "r").replacingOccurrences(of: #"_size":64"#, with: #"_size":63"#), 400, "has 63 bytes")
    try expectRefusal(
      Self.infer(input: "r").replacingOccurrences(of: #""parameters""#, with: #""data":[1],"parameters""#), 400,
      "left out where data")
    #expect(try client.post(inferPath, Self.infer(input: "r", output: "r", outputOffset: 90))?.status == 200)
  }

  @Test(arguments: [true, false]) func aRegionThatIsCutOffHurtsNobody(_ isInput: Bool) throws {
    let server = try server()
    let client = try TestClient(server.repository.socket)
    let picture = try TestRepository.picture(0)
    let answer = try expected(client, picture)
    let kept = try Object(picture + [UInt8](repeating: 0, count: 100))
    let cut = try Object(picture + [UInt8](repeating: 0, count: 100))
    #expect(try register(client, "kept", key: kept.name, size: "164").status == 200)
    #expect(try register(client, "cut", key: cut.name, size: "164").status == 200)
    let request =
      isInput ? Self.infer(input: "cut") : Self.infer(input: "kept", output: "cut", outputOffset: 64)
    #expect(try client.post(inferPath, request)?.status == 200)
    try #require(truncate(cut.path, 0) == 0)
    for _ in 0..<2 {
      let reply = try client.post(inferPath, request)
      #expect(reply?.status == 400 && reply?.text.contains("was cut off") == true, "\(reply?.text ?? "")")
    }
    // Grown again it is still not what it was.
    try #require(truncate(cut.path, 164) == 0)
    #expect(try client.post(inferPath, request)?.status == 400)
    #expect(try client.post(inferPath, Self.infer(input: "kept", output: "kept", outputOffset: 64))?.status == 200)
    #expect(Array(try kept.bytes[64..<74]) == answer)
    #expect(try client.post("/v2/systemsharedmemory/region/cut/unregister")?.status == 200)
    #expect(try register(client, "cut", key: cut.name, size: "164").status == 200)
    #expect(try client.post(inferPath, request)?.status == 200)
  }

  @Test func aRegionStaysWhileARequestUsesIt() throws {
    let server = try server()
    let (client, other) = (try TestClient(server.repository.socket), try TestClient(server.repository.socket))
    let object = try Object(try TestRepository.picture(0) + [UInt8](repeating: 0, count: 100))
    let answer = try expected(client, try TestRepository.picture(0))
    #expect(try register(client, "r", key: object.name, size: "164").status == 200)
    let gate = server.block()
    try client.send(
      TestClient.request(inferPath, Array(Self.infer(input: "r", output: "r", outputOffset: 64).utf8)))
    #expect(server.wait { server.server.scheduler.queuedCount == 1 })
    #expect(try other.post("/v2/systemsharedmemory/region/r/unregister")?.status == 200)
    #expect(server.server.regions.count == 0)
    gate.open()
    #expect(try client.reply()?.status == 200)
    #expect(Array(try object.bytes[64..<74]) == answer)
    #expect(server.wait { server.budget.reservedByteCount(for: .regions) == 0 })
  }

  // MARK: Whose they are

  @Test func everyUserSeesItsOwn() throws {
    let budget = MemoryBudget(limitByteCount: 64 << 20)
    let regions = SharedRegions(budget: budget)
    let object = try Object([UInt8](repeating: 0, count: 100))
    let me = SharedRegions.Client(user: getuid(), connection: 1)
    let somebody = SharedRegions.Client(user: getuid() + 1, connection: 2)
    let request = SharedMemoryRequest(key: object.name, byteCount: 100)
    try regions.register("r", request, for: me)
    #expect(throws: SharedMemoryError.unknown(region: "r")) { try regions.region("r", for: somebody) }
    #expect(try regions.status(.system, nil, for: somebody).regions.isEmpty)
    regions.unregister(.system, "r", for: somebody)
    #expect(throws: ServingError.self) { try regions.register("r", request, for: somebody) }
    #expect(throws: ServingError.self) { try regions.register("s", request, for: .init(user: nil, connection: 3)) }
    #expect(try regions.region("r", for: .init(user: getuid(), connection: 9)).name == "r")
    // There is an end to it.
    for index in 1..<ServingLimits.userRegionsMax { try regions.register("r\(index)", request, for: me) }
    #expect(throws: ServingError.self) { try regions.register("more", request, for: me) }
    #expect(regions.count == ServingLimits.userRegionsMax)
    regions.unregister(.system, nil, for: me)
    #expect(regions.count == 0 && budget.reservedByteCount == 0)
  }
}
