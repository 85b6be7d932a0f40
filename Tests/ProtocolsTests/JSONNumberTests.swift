import Testing

@testable import Protocols

@Suite struct JSONNumberTests {
  func number(_ text: String) throws(ProtocolError) -> JSONNumber {
    try withBytes([UInt8](text)) { (raw) throws(ProtocolError) in
      var reader = JSONReader(raw)
      let number = try reader.readNumber()
      try reader.finish()
      return number
    }
  }

  func float(_ text: String) throws(ProtocolError) -> Float {
    try withBytes([UInt8](text)) { (raw) throws(ProtocolError) in
      var reader = JSONReader(raw)
      return try reader.readFloat()
    }
  }

  @Test func readsIntegersExactly() throws {
    #expect(try number("9223372036854775807") == .int(Int64.max))
    #expect(try number("-9223372036854775808") == .int(Int64.min))
    #expect(try number("9223372036854775808") == .double(9223372036854775808))
    #expect(try number("-9223372036854775809") == .double(-9223372036854775808))
    #expect(try number("123456789012345678901234567890") == .double(123456789012345678901234567890))
    #expect(try number("9007199254740993") == .int(9_007_199_254_740_993))
    #expect(try number("3.0").integer == 3)
    #expect(try number("30e-1").integer == 3)
    #expect(try number("3.5").integer == nil)
    #expect(try number("1e-400") == .double(0))
    #expect(try number("0e999999999999") == .double(0))
  }

  /// What stands before a comma or a bracket is taken whole or left as it is, whatever follows.
  @Test func takesShortIntegersOrNothing() {
    var random = XorShift(seed: 9)
    var texts = [
      "", "-", "0", "-0", "00", "01", "-01", "-1", "1.5", "1e3", "12a", "+1", "--1", "9999999", "-9999999", "12345678",
      ":", "/9",
    ]
    for _ in 0..<20_000 {
      let alphabet: [Character] = random.next() % 2 == 0 ? Array("0123456789") : Array("0123456789-.,]e :/\u{FF}")
      texts.append(String((0..<random.next() % 10).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }))
      texts.append("\(Int64(bitPattern: random.next()) >> Int64(random.next() % 64))")
    }
    for text in texts {
      let end = [",", "]"][Int(random.next() % 2)]
      let element = text.prefix { $0 != "," && $0 != "]" }
      let digits = element.drop { $0 == "-" }
      let isShort = Int32(element) != nil && digits.count <= 7 && "\(Int32(element)!)" == element
      for room in ["", " 0,0,0,0"] {
        let bytes = [UInt8]((text + end + room).utf8)
        let (value, offset) = bytes.withUnsafeBytes { raw in
          var reader = JSONReader(raw)
          return (reader.scanShortInteger(), reader.offset)
        }
        if isShort && bytes.count >= 9 {
          #expect(value == Int32(element) && offset == element.utf8.count, "\(text)")
        } else {
          #expect(value == nil && offset == 0, "\(text)")
        }
      }
    }
  }

  /// Texts of the kinds that clients send: shortest floats and doubles, many digits, and any digits at all.
  func texts(_ count: Int) -> [String] {
    var random = XorShift(seed: 4)
    var texts = [
      "0.1", "1e22", "1e23", "1e-22", "1e-23", "5e-324", "2.4703282292062328e-324", "1.7976931348623157e308",
      "9007199254740993.0", "16777217", "16777217.0", "16777219", "3.4028235e38", "1.17549435e-38", "1e-45", "7e-46",
      "0.30000000000000004", "8.5899345920000001e9", "1.00000017881393421514957253748434595763683319091796875",
      "1.00000017881393432617187499", "0.000000000000000000000000000000000000000000001", "-0.0", "-0",
    ]
    for _ in 0..<count {
      let bits = random.next()
      let double = Double(bitPattern: bits)
      if double.isFinite { texts.append(double.description) }
      let float = Float(bitPattern: UInt32(truncatingIfNeeded: bits))
      if float.isFinite {
        texts.append(float.description)
        texts.append(Double(float).description)
        // Half way between two floats, and a little beside it.
        texts.append((Double(float) + Double(float.ulp) / 2).description)
        texts.append(((Double(float) + Double(float.ulp) / 2).nextUp).description)
      }
      texts.append("\(bits % 256).\(random.next())")
      texts.append("-\(bits >> 40)e\(Int(bits % 60) - 30)")
      texts.append((Double(bits % 1_000_000) / 1_000_000).description)
    }
    return texts
  }

  @Test func readsDoublesAsTheStandardLibraryDoes() throws {
    for text in texts(2_000) {
      let expected = try #require(Double(text))
      #expect(try number(text).double.bitPattern == expected.bitPattern, "\(text)")
    }
  }

  @Test func readsFloatsAsTheStandardLibraryDoes() throws {
    var fast = 0
    let all = texts(2_000)
    for text in all {
      let expected = try #require(Float(text))
      let value = failure { () throws(ProtocolError) in try float(text) } == nil ? try float(text) : .infinity
      #expect(value.magnitude.bitPattern == expected.magnitude.bitPattern, "\(text)")
      if value.isFinite { #expect(value.sign == expected.sign, "\(text)") }
      let isFast = [UInt8](text).withUnsafeBytes { raw in
        var reader = JSONReader(raw)
        return (try? reader.scanNumber())?.nearestFloat != nil
      }
      if isFast { fast += 1 }
    }
    // The fast path must be tried, or its exactness was not.
    #expect(fast > all.count / 3)
  }
}
