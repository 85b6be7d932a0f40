extension JSONReader {
  /// Reads a number. Integers beyond 64 bits become doubles; `-0` does too, to keep its sign. Errors: magnitudes that
  /// no double holds, over `ProtocolLimits.jsonNumberBytesMax` bytes.
  public mutating func readNumber() throws(ProtocolError) -> JSONNumber {
    _ = nextByte()
    let number = try scanNumber()
    if let integer = number.int64, integer != 0 || !number.isNegative { return .int(integer) }
    return .double(try double(number))
  }

  /// Reads a number that must be integral and fit 64 bits; `3.0` is accepted.
  public mutating func readInteger() throws(ProtocolError) -> Int64 {
    _ = nextByte()
    let start = offset
    let number = try scanNumber()
    if let integer = number.int64 { return integer }
    guard let integer = Int64(integral: try double(number)) else { throw .json(.expectedInteger, offset: start) }
    return integer
  }

  /// Reads a number as the nearest float. Errors: as `readNumber`, for the range of a float.
  @inline(__always)
  public mutating func readFloat() throws(ProtocolError) -> Float {
    let number = try scanNumber()
    if let value = number.nearestFloat { return value }
    return try float(number)
  }

  /// A number of at most seven digits with a comma or the end of the array behind it, as most elements of tensors are. Nil where it
  /// is another, no number, or the text ends soon: then nothing is read, and `scanNumber` tells. Precondition: as there.
  ///
  /// Without branches on digits or signs, which no processor predicts: eight bytes at once, as in D. Lemire, "Number Parsing at a
  /// Gigabyte per Second", section 9.
  @inline(__always)
  mutating func scanShortInteger() -> Int32? {
    guard bytes.count - offset >= 9 else { return nil }
    let sign = bytes[offset] == Byte.minus ? 1 : 0
    let text = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + sign, as: UInt64.self))
    // Digits become 0 to 9. Carries of other bytes only reach bytes behind them.
    let digits = text ^ 0x3030_3030_3030_3030
    let others = ((digits &+ 0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080
    let count = others.trailingZeroBitCount / 8
    guard count & 7 != 0 else { return nil }
    let next = UInt8(truncatingIfNeeded: text >> UInt64(count * 8))
    // No zeros in front; -0 is no integer.
    let isPlain = digits & 0xFF != 0 || count + sign == 1
    guard isPlain, next == Byte.comma || next == Byte.closeBracket else { return nil }
    // To the end of the eight, behind zeros; then pairs, fours and all of them.
    var value = digits << UInt64(64 - count * 8)
    value = value &* 10 &+ value >> 8
    let mask: UInt64 = 0x0000_00FF_0000_00FF
    value = ((value & mask) &* 0x000F_4240_0000_0064 &+ (value >> 16 & mask) &* 0x0000_2710_0000_0001) >> 32
    offset += sign + count
    let magnitude = Int32(truncatingIfNeeded: value)
    return (magnitude ^ Int32(-sign)) &+ Int32(sign)
  }

  /// Moves past a comma, and a space behind it, to a number's first byte; where something else is there, nothing is read.
  @inline(__always)
  mutating func skipToNextNumber() -> Bool {
    guard byte(at: offset) == Byte.comma else { return false }
    let next = byte(at: offset + 1) == Byte.space ? offset + 2 : offset + 1
    guard Byte.isDigit(byte(at: next)) || byte(at: next) == Byte.minus else { return false }
    offset = next
    return true
  }

  /// Checks a number and moves past it. Precondition: white space has been skipped.
  @inline(__always)
  mutating func scanNumber() throws(ProtocolError) -> ScannedNumber {
    let start = offset
    var position = offset
    let isNegative = byte(at: position) == Byte.minus
    if isNegative { position += 1 }

    var significand: UInt64 = 0
    var exponent = 0
    var isExact = true
    guard Byte.isDigit(byte(at: position)) else { throw numberFault(at: position, isFirst: position == start) }
    if byte(at: position) == Byte.zero {
      position += 1
      guard !Byte.isDigit(byte(at: position)) else { throw .json(.number, offset: position) }
    } else {
      exponent = scanDigits(&position, &significand, &isExact).dropped
    }

    var isInteger = true
    if byte(at: position) == Byte.dot {
      isInteger = false
      position += 1
      let fraction = scanDigits(&position, &significand, &isExact)
      guard fraction.count > 0 else { throw numberFault(at: position, isFirst: false) }
      exponent += fraction.dropped - fraction.count
    }
    if byte(at: position) | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      exponent += try scanExponent(&position)
    }
    offset = position
    return ScannedNumber(
      text: start..<position, isNegative: isNegative, significand: significand, exponent: exponent, isExact: isExact,
      isInteger: isInteger)
  }

  /// Appends digits to the significand while it holds them: below 10^18 there is room for one more.
  @inline(__always)
  private func scanDigits(
    _ position: inout Int, _ significand: inout UInt64, _ isExact: inout Bool
  ) -> (count: Int, dropped: Int) {
    let start = position
    var dropped = 0
    while true {
      let digit = byte(at: position) &- Byte.zero
      guard digit <= 9 else { return (position - start, dropped) }
      if significand < 1_000_000_000_000_000_000 {
        significand = significand &* 10 &+ UInt64(digit)
      } else {
        dropped += 1
        if digit != 0 { isExact = false }
      }
      position += 1
    }
  }

  private func scanExponent(_ position: inout Int) throws(ProtocolError) -> Int {
    position += 1
    let isNegative = byte(at: position) == Byte.minus
    if isNegative || byte(at: position) == UInt8(ascii: "+") { position += 1 }
    guard Byte.isDigit(byte(at: position)) else { throw numberFault(at: position, isFirst: false) }
    var value = 0
    while Byte.isDigit(byte(at: position)) {
      // Saturates where every type has long overflowed or vanished.
      value = min(value * 10 + Int(byte(at: position) - Byte.zero), 1_000_000)
      position += 1
    }
    return isNegative ? -value : value
  }

  private func numberFault(at position: Int, isFirst: Bool) -> ProtocolError {
    if position >= bytes.count { return .json(.truncated, offset: position) }
    return .json(isFirst ? .expectedNumber : .number, offset: position)
  }

  /// The nearest double.
  func double(_ number: ScannedNumber) throws(ProtocolError) -> Double {
    if let value = number.exactDouble { return value }
    guard let value = Double(try text(of: number)), value.isFinite else {
      throw .json(.numberOutOfRange, offset: number.text.lowerBound)
    }
    return value
  }

  /// The nearest float, by the C library.
  private func float(_ number: ScannedNumber) throws(ProtocolError) -> Float {
    guard let value = Float(try text(of: number)), value.isFinite else {
      throw .json(.numberOutOfRange, offset: number.text.lowerBound)
    }
    return value
  }

  private func text(of number: ScannedNumber) throws(ProtocolError) -> String {
    guard number.text.count <= ProtocolLimits.jsonNumberBytesMax else {
      throw .json(.numberTooLong, offset: number.text.lowerBound)
    }
    return bytes.string(number.text)
  }
}
