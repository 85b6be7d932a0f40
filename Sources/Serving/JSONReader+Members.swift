import Protocols

/// Members of a configuration.
extension JSONReader {
  mutating func readText(of field: String) throws(ProtocolError) -> String {
    guard try peekKind() == .string else { throw .fieldInvalid(field: field, expected: "a string") }
    return try readString()
  }

  mutating func readTruth(of field: String) throws(ProtocolError) -> Bool {
    guard try peekKind() == .bool else { throw .fieldInvalid(field: field, expected: "true or false") }
    return try readBool()
  }

  mutating func beginObject(_ field: String) throws(ProtocolError) {
    guard try peekKind() == .object else { throw .fieldInvalid(field: field, expected: "an object") }
    try beginObject()
  }

  mutating func readNumber(of field: String, in range: ClosedRange<Int>) throws(ProtocolError) -> Int {
    guard try peekKind() == .number, let value = Int(exactly: try readInteger()), range.contains(value) else {
      throw .fieldInvalid(
        field: field,
        expected: range.upperBound == Int.max
          ? "an integer of at least \(range.lowerBound)"
          : "an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }
}
