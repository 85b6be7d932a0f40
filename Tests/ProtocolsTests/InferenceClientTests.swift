import Tensors
import Testing

@testable import Protocols

@Suite struct InferenceClientTests {
  @Test func writesRequestsThatTheServerReads() throws {
    let values: [Int16] = [1, -2, 3]
    var parameters = InferenceParameters()
    parameters.priority = 2
    parameters.timeoutMicros = 5_000
    let outputs = [
      InferenceOutputRequest(name: "o", binaryData: true, classificationCount: 2), InferenceOutputRequest(name: "p"),
    ]
    let (json, body) = values.withUnsafeBytes { raw in
      let input = InferenceClientRequest.Input(name: "x", elementType: .int16, shape: Shape([1, 3]), bytes: raw)
      let encoded = InferenceClientRequest(id: "7", parameters: parameters, inputs: [input], outputs: outputs).encoded()
      return (encoded.json, encoded.body)
    }
    #expect(
      json.text == #"{"id":"7","parameters":{"priority":2,"timeout":5000,"binary_data_output":false},"#
        + #""inputs":[{"name":"x","datatype":"INT16","shape":[1,3],"parameters":{"binary_data_size":6}}],"#
        + #""outputs":[{"name":"o","parameters":{"binary_data":true,"classification":2}},{"name":"p"}]}"#)
    let request = try parsed(body, headerContentLength: json.count)
    #expect(request.id == "7" && request.parameters == parameters && request.outputs == outputs)
    #expect(try decoded(body, headerContentLength: json.count) == [[1, 0, 254, 255, 3, 0]])
  }

  func read(_ body: [UInt8], _ headerContentLength: Int?) throws(ProtocolError) -> InferenceClientResponse {
    try withBytes(body) { (raw) throws(ProtocolError) in
      try InferenceClientResponse(parsing: raw, headerContentLength: headerContentLength)
    }
  }

  @Test(arguments: [false, true]) func readsTensors(isBinary: Bool) throws {
    let (encoded, body) = try encode([1.5, -2] as [Float], .float32, [2], isBinary: isBinary)
    let response = try read(body, encoded.headerContentLength)
    #expect(response.modelName == "m" && response.modelVersion == "1" && response.id == "é\"")
    guard case .tensor(let tensor) = response.outputs.first else { return #expect(Bool(false)) }
    var values: [Float] = [0, 0]
    try withBytes(body) { (raw) throws(ProtocolError) in
      let error = values.withUnsafeMutableBytes { memory in
        failure { () throws(ProtocolError) in try tensor.decode(from: raw, into: memory) }
      }
      #expect(error == nil)
    }
    #expect(values == [1.5, -2])
  }

  @Test(arguments: [false, true]) func readsClassifications(isBinary: Bool) throws {
    let top = Classification(count: 2, labels: ["a", "b"])
    let (encoded, body) = try encode([1, 2, 3] as [UInt8], .uint8, [3], isBinary: isBinary, classification: top)
    let response = try read(body, encoded.headerContentLength)
    #expect(response.outputs == [.strings(name: "o", shape: Shape([2]), ["3:2", "2:1:b"])])
    for count in 0..<body.count {
      #expect(
        failure { () throws(ProtocolError) in try read(Array(body[..<count]), encoded.headerContentLength) } != nil)
    }
  }

  @Test func survivesMutation() throws {
    var random = XorShift(seed: 9)
    let (encoded, body) = try encode(
      [1, 2, 3] as [UInt8], .uint8, [3], isBinary: true, classification: Classification(count: 3))
    var accepted = 0
    for _ in 0..<2_000 {
      let mutated = body.mutated(&random)
      let length = (encoded.headerContentLength ?? 0) + mutated.count - body.count
      if failure({ () throws(ProtocolError) in try read(mutated, length) }) == nil { accepted += 1 }
      if failure({ () throws(ProtocolError) in try read(mutated, encoded.headerContentLength) }) == nil {
        accepted += 1
      }
    }
    #expect(accepted > 100 && accepted < 3_900)
  }
}
