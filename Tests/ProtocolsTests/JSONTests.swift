import Testing

@testable import Protocols

@Suite struct JSONTests {
  func parse(_ bytes: [UInt8]) throws(ProtocolError) -> JSON {
    try withBytes(bytes) { (raw) throws(ProtocolError) in try JSON(parsing: raw) }
  }

  func skip(_ bytes: [UInt8]) throws(ProtocolError) {
    try withBytes(bytes) { (raw) throws(ProtocolError) in
      var reader = JSONReader(raw)
      try reader.skipValue()
      try reader.finish()
    }
  }

  static let document = [UInt8](
    #" {"name":"détecteur","a":[1,-2.5,1e3,0,-0,true,false,null,[],{}],"s":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00","a":{"b":[[1]]}} "#
  )

  @Test func readsATree() throws {
    let json = try parse(JSONTests.document)
    #expect(json["name"]?.string == "détecteur")
    #expect(json["s"]?.string == "\"\\/\u{8}\u{C}\n\r\té😀")
    // The last of two members counts.
    #expect(json["a"] == .object([JSONMember("b", .array([.array([.int(1)])]))]))
    #expect(json.object?.count == 4)
    #expect(
      json.object?[1].value
        == .array([
          .int(1), .double(-2.5), .double(1000), .int(0), .double(-0.0), .bool(true), .bool(false), .null, .array([]),
          .object([]),
        ]))
    #expect(json["missing"] == nil)
  }

  @Test func writesWhatItReads() throws {
    let json = try parse(JSONTests.document)
    var writer = JSONWriter()
    writer.value(json)
    #expect(
      writer.bytes.text
        == #"{"name":"détecteur","a":[1,-2.5,1000.0,0,-0.0,true,false,null,[],{}],"s":"\"\\/\u0008\u000c\n\r\té😀","a":{"b":[[1]]}}"#
    )
    #expect(try parse(writer.bytes) == json)
  }

  @Test func writesNumbers() {
    var writer = JSONWriter()
    writer.beginArray()
    writer.int(Int64.min)
    writer.int(Int64.max)
    writer.float(5e-05)
    writer.float(0.1)
    writer.double(1e300)
    writer.double(.nan)
    writer.float(-.infinity)
    writer.endArray()
    #expect(writer.bytes.text == "[-9223372036854775808,9223372036854775807,5e-05,0.1,1e+300,null,null]")
  }

  @Test(arguments: [
    ("", ProtocolError.json(.truncated, offset: 0)),
    ("[1,]", .json(.unexpectedByte, offset: 3)),
    ("[,1]", .json(.unexpectedByte, offset: 1)),
    ("[1 2]", .json(.expectedCommaOrEnd, offset: 3)),
    ("{\"a\":1,}", .json(.expectedKey, offset: 7)),
    ("{a:1}", .json(.expectedKey, offset: 1)),
    ("{\"a\" 1}", .json(.expectedColon, offset: 5)),
    ("[1}", .json(.expectedCommaOrEnd, offset: 2)),
    ("1 1", .json(.trailingBytes, offset: 2)),
    ("01", .json(.number, offset: 1)),
    ("-", .json(.truncated, offset: 1)),
    ("-x", .json(.number, offset: 1)),
    ("+1", .json(.unexpectedByte, offset: 0)),
    (".5", .json(.unexpectedByte, offset: 0)),
    ("1.", .json(.truncated, offset: 2)),
    ("[1.]", .json(.number, offset: 3)),
    ("[1e]", .json(.number, offset: 3)),
    ("[1e+]", .json(.number, offset: 4)),
    ("1e999", .json(.numberOutOfRange, offset: 0)),
    ("nul", .json(.truncated, offset: 3)),
    ("nulL", .json(.literal, offset: 3)),
    ("NaN", .json(.unexpectedByte, offset: 0)),
    ("truex", .json(.trailingBytes, offset: 4)),
    ("\"a", .json(.truncated, offset: 2)),
    ("\"\u{1}\"", .json(.controlCharacter, offset: 1)),
    ("\"\\x\"", .json(.escape, offset: 1)),
    ("\"\\u12g4\"", .json(.escape, offset: 1)),
    ("\"\\ud800\"", .json(.surrogate, offset: 1)),
    ("\"\\ud800\\u0041\"", .json(.surrogate, offset: 1)),
    ("\"\\udc00\"", .json(.surrogate, offset: 1)),
    ("[1]\0", .json(.trailingBytes, offset: 3)),
    ("/**/1", .json(.unexpectedByte, offset: 0)),
    ("\u{FEFF}1", .json(.unexpectedByte, offset: 0)),
  ])
  func refuses(_ text: String, _ expected: ProtocolError) {
    #expect(failure { () throws(ProtocolError) in try parse([UInt8](text)) } == expected)
    // Skipping checks as much, but for the range of numbers.
    if expected != .json(.numberOutOfRange, offset: 0) {
      #expect(failure { () throws(ProtocolError) in try skip([UInt8](text)) } == expected)
    }
    #expect(expected.status == .badRequest)
  }

  @Test(
    arguments: [
      [0x80], [0xC0, 0x80], [0xC3], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xF0, 0x80, 0x80, 0x80],
      [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xE2, 0x28, 0xA1],
    ] as [[UInt8]])
  func refusesInvalidUTF8(_ sequence: [UInt8]) {
    let bytes = [UInt8]("\"") + sequence + [UInt8]("\"")
    #expect(failure { () throws(ProtocolError) in try parse(bytes) } == .json(.utf8, offset: 1))
    #expect(failure { () throws(ProtocolError) in try skip(bytes) } == .json(.utf8, offset: 1))
  }

  @Test func holdsToItsLimits() throws {
    func nested(_ depth: Int) -> [UInt8] {
      [UInt8](repeating: 0x5B, count: depth) + [UInt8](repeating: 0x5D, count: depth)
    }
    try skip(nested(64))
    #expect(failure { () throws(ProtocolError) in try skip(nested(65)) } == .json(.tooDeep, offset: 64))
    #expect(failure { () throws(ProtocolError) in try parse(nested(65)) } == .json(.tooDeep, offset: 64))
    // A hundred thousand brackets must not use the stack.
    #expect(failure { () throws(ProtocolError) in try skip(nested(100_000)) } == .json(.tooDeep, offset: 64))

    let many = [UInt8]("[" + String(repeating: "0,", count: 65_535) + "0]")
    #expect(failure { () throws(ProtocolError) in try parse(many) } == .json(.tooManyValues, offset: 131_071))
    try skip(many)

    let long = [UInt8]("\"") + [UInt8](repeating: 0x61, count: (1 << 20) + 1) + [UInt8]("\"")
    #expect(failure { () throws(ProtocolError) in try parse(long) } == .json(.stringTooLong, offset: 0))
    let digits = [UInt8]("1." + String(repeating: "1", count: 1_023))
    #expect(failure { () throws(ProtocolError) in try parse(digits) } == .json(.numberTooLong, offset: 0))
  }

  @Test func seesTruncationAtEveryByte() {
    let bytes = [UInt8](JSONTests.document.text.dropLast(1).utf8)
    for count in 0..<bytes.count {
      let error = failure { () throws(ProtocolError) in try parse(Array(bytes[..<count])) }
      #expect(error != nil, "\(count) bytes")
    }
  }

  @Test func survivesMutation() {
    var random = XorShift(seed: 3)
    var parsed = 0
    for _ in 0..<4_000 {
      let bytes = JSONTests.document.mutated(&random)
      let whole = failure { () throws(ProtocolError) in try parse(bytes) }
      let skipped = failure { () throws(ProtocolError) in try skip(bytes) }
      if whole == nil { parsed += 1 }
      guard let skipped else { continue }
      // A tree may meet a number out of range first.
      if case .json(.numberOutOfRange, _) = whole { continue }
      #expect(whole == skipped)
    }
    #expect(parsed > 200 && parsed < 3_800)
  }
}
