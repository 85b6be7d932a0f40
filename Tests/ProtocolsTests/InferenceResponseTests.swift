import Glibc
import Tensors
import Testing

@testable import Protocols

extension EncodedInference {
  /// The body in one piece.
  var body: [UInt8] {
    parts.reduce(into: json) { body, part in
      switch part {
      case .tensor(let bytes): body += Array(bytes)
      case .bytes(let bytes): body += bytes
      }
    }
  }
}

/// Encodes one output of the given values and returns the answer and its body.
func encode<Element: BitwiseCopyable>(
  _ values: [Element], _ elementType: ElementType, _ shape: [Int], isBinary: Bool = false,
  classification: Classification? = nil
) throws(ProtocolError) -> (EncodedInference, body: [UInt8]) {
  let result = values.withUnsafeBytes { raw -> Result<(EncodedInference, body: [UInt8]), ProtocolError> in
    let output = InferenceOutput(
      name: "o", elementType: elementType, shape: Shape(shape), bytes: raw, isBinary: isBinary,
      classification: classification)
    let response = InferenceResponse(modelName: "m", modelVersion: "1", id: "é\"", outputs: [output])
    do throws(ProtocolError) {
      let encoded = try response.encoded()
      // The bound that the server reserves holds for every answer of these tests.
      let copied = encoded.parts.reduce(encoded.json.count) { sum, part in
        if case .bytes(let bytes) = part { sum + bytes.count } else { sum }
      }
      #expect(copied <= response.encodedBytesMax)
      return .success((encoded, encoded.body))
    } catch {
      return .failure(error)
    }
  }
  return try result.get()
}

@Suite struct InferenceResponseTests {
  static let start = #"{"model_name":"m","model_version":"1","id":"é\"","outputs":[{"name":"o","datatype":"#

  @Test func writesJSON() throws {
    let (response, body) = try encode([1, -0.1, 5e-05] as [Float], .float32, [1, 3])
    #expect(body.text == InferenceResponseTests.start + #""FP32","shape":[1,3],"data":[1.0,-0.1,5e-05]}]}"#)
    #expect(response.headerContentLength == nil)
    #expect(response.contentType == "application/json")
    #expect(response.byteCount == body.count)
    #expect(
      try encode([true, false], .bool, [2]).body.text
        == InferenceResponseTests.start + #""BOOL","shape":[2],"data":[true,false]}]}"#)
    #expect(
      try encode([Int64.min, Int64.max], .int64, [2]).body.text
        == InferenceResponseTests.start
        + #""INT64","shape":[2],"data":[-9223372036854775808,9223372036854775807]}]}"#)
  }

  @Test func writesBinary() throws {
    let (response, body) = try encode([258, -1] as [Int16], .int16, [2], isBinary: true)
    let header = InferenceResponseTests.start + #""INT16","shape":[2],"parameters":{"binary_data_size":4}}]}"#
    #expect(response.json.text == header)
    #expect(response.headerContentLength == header.utf8.count)
    #expect(response.contentType == "application/octet-stream")
    #expect(body == [UInt8](header) + [2, 1, 255, 255])
    #expect(response.byteCount == body.count)
  }

  @Test func prefersTheOutputsOwnWishForBinary() {
    var parameters = InferenceParameters()
    func output(_ requested: InferenceOutputRequest?) -> InferenceOutput {
      InferenceOutput(
        name: "o", elementType: .bool, shape: Shape([0]), bytes: UnsafeRawBufferPointer(start: nil, count: 0),
        requested: requested, parameters: parameters)
    }
    #expect(!output(nil).isBinary)
    #expect(output(InferenceOutputRequest(name: "o", binaryData: true)).isBinary)
    parameters.binaryDataOutput = true
    #expect(output(nil).isBinary)
    #expect(!output(InferenceOutputRequest(name: "o", binaryData: false)).isBinary)
    #expect(output(InferenceOutputRequest(name: "o", classificationCount: 2)).classification?.count == 2)
  }

  @Test func refusesWhatJSONCannotSay() {
    let error = failure { () throws(ProtocolError) in try encode([0, .nan] as [Float], .float32, [2]) }
    #expect(error == .outputNotFinite(output: "o", index: 1))
    #expect(error?.status == .internalServerError)
    #expect(failure { () throws(ProtocolError) in try encode([Float.nan], .float32, [1], isBinary: true) } == nil)
    let short = failure { () throws(ProtocolError) in try encode([0] as [Float], .float32, [2]) }
    #expect(short == .bufferMismatch(tensor: "o", expected: 8, actual: 4))
    #expect(failure { () throws(ProtocolError) in try encode([0] as [Float], .float32, [-1]) } != nil)
  }

  @Test func classifies() throws {
    let values: [Float] = [0.1, 0.5, 0.5, .nan, -1, 0.25]
    let top = Classification(count: 3, labels: ["cat", "dog"])
    #expect(
      try encode(values, .float32, [1, 6], classification: top).body.text
        == InferenceResponseTests.start
        + #""BYTES","shape":[3],"data":["0.500000:1:dog","0.500000:2","0.250000:5"]}]}"#)
    let all = Classification(count: 99)
    #expect(
      try encode([3, 250, 3] as [UInt8], .uint8, [3], classification: all).body.text
        == InferenceResponseTests.start + #""BYTES","shape":[3],"data":["250:1","3:0","3:2"]}]}"#)
    let batch = Classification(count: 1, hasBatchDimension: true)
    #expect(
      try encode([1, 2, 9, 8] as [Int8], .int8, [2, 2], classification: batch).body.text
        == InferenceResponseTests.start + #""BYTES","shape":[2,1],"data":["2:1","9:0"]}]}"#)
    let (response, body) = try encode([7, 8] as [Int32], .int32, [2], isBinary: true, classification: all)
    #expect(Array(body[response.json.count...]) == [3, 0, 0, 0] + [UInt8]("8:1") + [3, 0, 0, 0] + [UInt8]("7:0"))
    #expect(response.json.text.hasSuffix(#""BYTES","shape":[2],"parameters":{"binary_data_size":14}}]}"#))
  }

  @Test func findsTheHighestAsSortingDoes() throws {
    var random = XorShift(seed: 6)
    for count in [1, 2, 5, 17, 64] {
      let values = (0..<64).map { _ in UInt8.random(in: 0..<20, using: &random) }
      let text = try encode(values, .uint8, [64], classification: Classification(count: count)).body.text
      let order = (0..<64).sorted { values[$0] == values[$1] ? $0 < $1 : values[$0] > values[$1] }
      let expected = order.prefix(count).map { "\"\(values[$0]):\($0)\"" }.joined(separator: ",")
      #expect(text.hasSuffix("\"data\":[\(expected)]}]}"))
    }
  }

  /// What the C library prints.
  func printed(_ value: Float) -> String {
    var buffer = [CChar](repeating: 0, count: 64)
    let count = withVaList([Double(value)]) { vsnprintf(&buffer, buffer.count, "%f", $0) }
    return String(decoding: buffer[..<Int(count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  @Test func printsFloatsAsC() {
    #expect(FixedDecimal.sixDecimals(0.5) == "0.500000")
    #expect(FixedDecimal.sixDecimals(-1.0 / 3) == "-0.333333")
    #expect(FixedDecimal.sixDecimals(.greatestFiniteMagnitude) == "340282346638528859811704183484516925440.000000")
    #expect(FixedDecimal.sixDecimals(-.infinity) == "-inf")
    var random = XorShift(seed: 7)
    var values: [Float] = [
      0, -0.0, 0.9999995, 0.9999999, 0.0000005, 4.7683716e-07, 1e-45, 8388607.5, 16777216, 0.001953125,
    ]
    for _ in 0..<3_000 {
      let bits = random.next()
      values.append(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
      values.append(Float(bits % 1_000_000) / 1_000_000)
      values.append(Float(bits % 4_096) / 4_096 * (bits & 1 << 20 == 0 ? 1 : 1 / 65_536))
    }
    for value in values where value.isFinite { #expect(FixedDecimal.sixDecimals(value) == printed(value)) }
  }

  @Test func boundsWhatItAllocates() throws {
    _ = try encode([Int64](repeating: .min, count: 1_000), .int64, [1_000])
    _ = try encode([Int32](repeating: .min, count: 1_000), .int32, [1_000])
    _ = try encode([Int16](repeating: .min, count: 1_000), .int16, [1_000])
    _ = try encode([Int8](repeating: .min, count: 1_000), .int8, [1_000])
    _ = try encode([UInt8](repeating: .max, count: 1_000), .uint8, [1_000])
    _ = try encode([UInt8](repeating: 0, count: 1_000), .bool, [1_000])
    _ = try encode([Float](repeating: -1.17549435e-38, count: 1_000), .float32, [1_000])
    _ = try encode([Float](repeating: -0.000123456789, count: 1_000), .float32, [1_000])
    let labels = [String](repeating: "\u{1}\u{2}\"", count: 1_000)
    for isBinary in [false, true] {
      _ = try encode(
        [Float](repeating: -.greatestFiniteMagnitude, count: 1_000), .float32, [1_000], isBinary: isBinary,
        classification: Classification(count: 1_000, labels: labels))
      _ = try encode(
        [Float](repeating: -.greatestFiniteMagnitude, count: 1_000), .float32, [1_000, 1], isBinary: isBinary,
        classification: Classification(count: 5, labels: labels, hasBatchDimension: true))
    }
  }

  @Test func goesRoundThroughJSONAndBinary() throws {
    var random = XorShift(seed: 8)
    let values = (0..<500).compactMap { _ -> Float? in
      let value = Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
      return value.isFinite ? value : nil
    }
    let bytes = values.withUnsafeBytes { Array($0) }
    for isBinary in [false, true] {
      let (response, body) = try encode(values, .float32, [values.count], isBinary: isBinary)
      // An answer's outputs have the form of a request's inputs.
      let header = response.json.text.replacing("\"outputs\"", with: "\"inputs\"")
      let request = [UInt8](header) + body[response.json.count...]
      #expect(try decoded(request, headerContentLength: header.utf8.count) == [bytes])
    }
  }
}
