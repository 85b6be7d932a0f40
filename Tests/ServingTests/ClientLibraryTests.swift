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
}
