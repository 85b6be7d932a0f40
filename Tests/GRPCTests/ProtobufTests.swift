import Testing

@testable import GRPC

@Suite struct ProtobufTests {
  private func fields(_ bytes: [UInt8]) -> [ProtobufReader.Field]? {
    bytes.withUnsafeBytes { raw -> [ProtobufReader.Field]? in
      var reader = ProtobufReader(raw)
      var fields: [ProtobufReader.Field] = []
      do {
        while let field = try reader.next() { fields.append(field) }
        return fields
      } catch { return nil }
    }
  }

  @Test func fieldsAreRead() {
    #expect(fields([]) == [])
    #expect(fields([0x08, 0x96, 0x01]) == [.init(number: 1, value: .varint(150))])
    #expect(fields([0x12, 2, 0x61, 0x62]) == [.init(number: 2, value: .bytes(2..<4))])
    #expect(fields([0x1D, 1, 0, 0, 0x80]) == [.init(number: 3, value: .fixed32(0x8000_0001))])
    #expect(fields([0x21, 1, 0, 0, 0, 0, 0, 0, 0]) == [.init(number: 4, value: .fixed64(1))])
    let most = [UInt8](repeating: 0xFF, count: 9) + [1]
    #expect(fields([0x08] + most) == [.init(number: 1, value: .varint(UInt64.max))])
  }

  @Test(
    arguments: [
      [0x08], [0x08, 0x80], [0x12, 1], [0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
      [0x1D, 1, 2, 3],
      [0x21, 1], [0x00, 0], [0x0B, 0x0C], [0x0E, 1], [0x0F],
      [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02],
      [0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
      // A field number of over 29 bits.
      [0x80, 0x80, 0x80, 0x80, 0x10, 0],
    ] as [[UInt8]])
  func whatIsMalformedIsRefused(_ bytes: [UInt8]) { #expect(fields(bytes) == nil) }

  @Test func whatIsWrittenIsRead() throws {
    var inner = ProtobufWriter()
    inner.packed(3, [1, -1, 300])
    var writer = ProtobufWriter()
    writer.field(1, "é")
    writer.field(2, "")
    writer.field(3, 0 as Int64)
    writer.field(4, -2 as Int64)
    writer.message(5, inner)
    writer.chosen(6, 0.5)
    let found = try #require(fields(writer.bytes))
    #expect(found.map { $0.number } == [1, 4, 5, 6])
    #expect(found[1].varint == UInt64(bitPattern: -2) && found[3].value == .fixed64((0.5).bitPattern))
    try writer.bytes.withUnsafeBytes { raw in
      let reader = ProtobufReader(raw)
      #expect(try reader.text(#require(found[0].range)) == "é")
      var packed = ProtobufReader(raw, found[2].range)
      let list = try #require(try packed.next()?.range)
      var sizes = ProtobufReader(raw, list)
      #expect(try Int64(bitPattern: sizes.readVarint()) == 1 && Int64(bitPattern: sizes.readVarint()) == -1)
      #expect(try sizes.readVarint() == 300 && sizes.isAtEnd)
    }
  }

  @Test func textsAreUTF8() {
    let bytes: [UInt8] = [0x0A, 1, 0xFF]
    #expect(throws: CallError.malformed) { try bytes.withUnsafeBytes { try ProtobufReader.texts($0, count: 1) } }
  }

  @Test func timeoutsAreRead() {
    func read(_ text: String) -> Int64? { Array(text.utf8).withUnsafeBytes { CallTimeout.nanoseconds($0) } }
    #expect(read("1S") == 1_000_000_000 && read("20m") == 20_000_000 && read("5u") == 5000 && read("7n") == 7)
    #expect(read("2M") == 120_000_000_000 && read("1H") == 3_600_000_000_000)
    #expect(read("99999999H") == 1_000_000_000_000_000_000)
    for text in ["", "S", "1", "123456789S", "-1S", "1s", "1 S", "1.5S"] { #expect(read(text) == nil, "\(text)") }
  }

  @Test func messagesOfErrorsAreEscaped() {
    #expect(String(decoding: CallError(.internal, "50 % of\né").headerText, as: UTF8.self) == "50 %25 of%0A%C3%A9")
    #expect(CallError(.internal, String(repeating: "é", count: 100_000)).headerText.count <= 8 << 10)
  }

  @Test func callsAreKnownByTheirPaths() {
    #expect(CallMethod(path: "/inference.GRPCInferenceService/ModelInfer") == .infer)
    #expect(CallMethod(path: "/grpc.health.v1.Health/Check") == .healthCheck)
    for path in [
      "/grpc.health.v1.Health/ModelInfer", "/inference.GRPCInferenceService/Check", "/x/ModelInfer", "", "/",
    ] {
      #expect(CallMethod(path: path) == nil)
    }
  }
}
