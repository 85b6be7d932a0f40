import Protocols
import System
import Tensors
import Testing
import ThimbleClient

@testable import Serving

/// The client library against the server.
@Suite struct ClientLibraryTests {
  @Test func talksToAServer() throws {
    let files = try TestRepository()
    try files.addModel(configuration: TestRepository.digitLabels)
    let server = try TestServer(files)
    let client = ThimbleClient(socketPath: files.socket)
    #expect(try client.isReady() && client.isReady(model: "digits") && !client.isReady(model: "none"))
    #expect(try client.serverMetadata().name == "thimble")
    #expect(try client.models() == ["digits"] && client.labels("digits").first == "zero")
    let model = try client.modelMetadata("digits")
    #expect(model.versions == ["1"] && model.inputs[0].byteCount == 64)
    let input = ClientTensor(
      name: "image", elementType: .uint8, shape: Shape([1, 8, 8, 1]), bytes: try TestRepository.picture(0))
    let result = try client.infer("digits", version: "1", inputs: [input], id: "7")
    guard case .tensor(let output) = result.outputs.first else { return #expect(Bool(false)) }
    #expect(output.shape == Shape([1, 10]) && output.bytes[7] == 242 && result.id == "7")
    let top = try client.infer(
      "digits", inputs: [input], outputs: [InferenceOutputRequest(name: "probabilities", classificationCount: 1)])
    guard case .classes(_, let classes) = top.outputs.first else { return #expect(Bool(false)) }
    #expect(classes == [ClientClass("242:7:seven")!])
    let residents = try client.residents()
    #expect(residents.budgetByteCount == 256 << 20 && residents.rung == "none" && residents.rungLevel == 0)
    #expect(residents.reservedByteCount > residents.cacheByteCount && residents.models.count == 1)
    let resident = residents.models[0]
    #expect(resident.name == "digits" && resident.version == "1" && resident.state == "loaded")
    #expect(resident.requestCount == 2 && resident.floorByteCount > 0 && resident.score ?? 0 > 0)
    #expect(try client.residentsJSON().contains(#""reserved_by_purpose":{"#))
    try client.unloadModel("digits")
    #expect(try client.residents().models.first?.state == "unloaded")
    let error = #expect(throws: ClientError.self) { try client.infer("digits", inputs: [input]) }
    #expect(error?.message.contains("load it with") == true && error?.isTransient == false)
    try client.loadModel("digits")
    #expect(try client.metrics().contains("nv_inference_count"))
    #expect(server.server.acceptedCount == 1)
    server.server.stop()
    #expect(server.join())
    let gone = #expect(throws: ClientError.self) { try client.isReady() }
    #expect(gone?.message.contains("no daemon listens at \(files.socket): start one with `thimble serve") == true)
    // The kept connection is gone; the client opens another one.
    let successor = try TestServer(files)
    #expect(try client.isReady())
    successor.server.stop()
    #expect(successor.join())
    let second = try TestServer(files)
    #expect(try client.isReady())
    _ = second
  }

  @Test(arguments: [true, false]) func sharesMemory(_ hasName: Bool) throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let client = ThimbleClient(socketPath: files.socket)
    let key = "thimble-client-test-\(Process.identifier)"
    let memory =
      hasName
      ? try SharedMemory(region: "r", key: key, byteCount: 8192) : try SharedMemory(region: "r", byteCount: 8192)
    #expect((try? FileSystem.status(of: SharedRegions.directory + "/" + key)) != nil || !hasName)
    try client.share(memory)
    let input = ClientTensor(
      name: "image", elementType: .uint8, shape: Shape([1, 8, 8, 1]), shared: memory.reference(offset: 8, byteCount: 64)
    )
    let output = InferenceOutputRequest(name: "probabilities", shared: memory.reference(offset: 4096, byteCount: 10))
    for index in 0..<3 {
      let picture = try TestRepository.picture(index)
      let plain = ClientTensor(name: "image", elementType: .uint8, shape: Shape([1, 8, 8, 1]), bytes: picture)
      guard case .tensor(let expected) = try client.infer("digits", inputs: [plain]).outputs.first else {
        return #expect(Bool(false))
      }
      memory.bytes.baseAddress!.advanced(by: 8).copyMemory(from: picture, byteCount: 64)
      guard case .tensor(let shared) = try client.infer("digits", inputs: [input], outputs: [output]).outputs.first
      else {
        return #expect(Bool(false))
      }
      #expect(shared.shared == memory.reference(offset: 4096, byteCount: 10) && shared.bytes.isEmpty)
      #expect(Array(memory.bytes[4096..<4106]) == expected.bytes)
    }
    let large = try SharedMemory(region: "large", byteCount: 1 << 30)
    #expect(throws: ClientError.self) { try client.share(large) }
    #expect(try client.isReady())
    if !hasName {
      // Another daemon, another connection: the memory is passed again.
      server.server.stop()
      #expect(server.join())
      let successor = try TestServer(files)
      #expect(try client.infer("digits", inputs: [input], outputs: [output]).outputs.count == 1)
      try client.unshare(memory)
      let error = #expect(throws: ClientError.self) { try client.infer("digits", inputs: [input]) }
      #expect(error?.message.contains("no shared memory region") == true)
      #expect(successor.budget.reservedByteCount(for: .regions) == 0)
    }
  }
}
