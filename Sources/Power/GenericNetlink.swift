/// As much of generic netlink as it takes to hear one family's events (Linux, `genetlink.h`, `netlink.h`).
enum GenericNetlink {
  /// Bytes of a message's head, and of the generic head after it.
  private static let headByteCount = 16
  private static let genericHeadByteCount = 4
  private static let controlFamily = 16

  /// The question for a family's number and groups.
  static func familyRequest(_ name: String) -> [UInt8] {
    // CTRL_CMD_GETFAMILY, version 1; CTRL_ATTR_FAMILY_NAME is 2.
    var body: [UInt8] = [3, 1, 0, 0] + word16(4 + name.utf8.count + 1) + word16(2) + Array(name.utf8) + [0]
    while body.count % 4 != 0 { body.append(0) }
    // NLM_F_REQUEST, sequence and port 0.
    let length = headByteCount + body.count
    return word16(length) + [0, 0] + word16(controlFamily) + word16(1) + [UInt8](repeating: 0, count: 8) + body
  }

  /// The family's number and its group's of that name, from the answer; nil where it is no such answer.
  static func family(in answer: [UInt8], group: String) -> (number: Int, group: UInt32)? {
    var number: Int?
    var groupNumber: Int?
    for message in messages(in: answer) where message.type == controlFamily {
      for attribute in attributes(in: message.body.dropFirst(genericHeadByteCount)) {
        switch attribute.type {
        case 1: number = integer(attribute.value, byteCount: 2)
        case 7:
          for entry in attributes(in: attribute.value) {
            let members = attributes(in: entry.value)
            guard let name = members.first(where: { $0.type == 1 }), name.value.dropLast().elementsEqual(group.utf8)
            else { continue }
            groupNumber = members.first { $0.type == 2 }.flatMap { integer($0.value, byteCount: 4) }
          }
        default: break
        }
      }
    }
    guard let number, let groupNumber, let group = UInt32(exactly: groupNumber) else { return nil }
    return (number, group)
  }

  /// What a family's messages command; attributes are not looked at.
  static func commands(in bytes: [UInt8], family: Int) -> [UInt8] {
    messages(in: bytes).compactMap { $0.type == family && $0.body.count >= genericHeadByteCount ? $0.body.first : nil }
  }

  /// Whole messages, as far as their lengths are true.
  private static func messages(in bytes: [UInt8]) -> [(type: Int, body: ArraySlice<UInt8>)] {
    var found: [(type: Int, body: ArraySlice<UInt8>)] = []
    var rest = bytes[...]
    while let length = integer(rest, byteCount: 4), length >= headByteCount, length <= rest.count {
      let message = rest.prefix(length)
      found.append((integer(message.dropFirst(4), byteCount: 2) ?? 0, message.dropFirst(headByteCount)))
      rest = rest.dropFirst((length + 3) / 4 * 4)
    }
    return found
  }

  private static func attributes(in bytes: ArraySlice<UInt8>) -> [(type: Int, value: ArraySlice<UInt8>)] {
    var found: [(type: Int, value: ArraySlice<UInt8>)] = []
    var rest = bytes
    while let length = integer(rest, byteCount: 2), length >= 4, length <= rest.count {
      // The upper bits say that it is nested.
      let type = (integer(rest.dropFirst(2), byteCount: 2) ?? 0) & 0x3FFF
      found.append((type, rest.prefix(length).dropFirst(4)))
      rest = rest.dropFirst((length + 3) / 4 * 4)
    }
    return found
  }

  /// Little-endian, as every machine that Thimble runs on.
  private static func integer(_ bytes: ArraySlice<UInt8>, byteCount: Int) -> Int? {
    guard bytes.count >= byteCount else { return nil }
    return bytes.prefix(byteCount).reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  private static func word16(_ value: Int) -> [UInt8] {
    [UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8)]
  }
}
