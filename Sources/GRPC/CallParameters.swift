import Protocols

/// The parameters of a message or a tensor: a map from names to values of several types, which HTTP has as members of an object.
struct CallParameters {
  private(set) var members: [JSONMember] = []

  /// What frames tensors over HTTP is this program's business.
  private static let reserved = ["binary_data_size", "binary_data", "binary_data_output"]

  /// An entry of the map: name 1, value 2, which is a `bool` 1, `int64` 2, `string` 3, `double` 4 or `uint64` 5.
  mutating func add(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) throws(CallError) {
    guard members.count < CallLimits.parametersMax else {
      throw .init(.invalidArgument, "a request or tensor has more than \(CallLimits.parametersMax) parameters")
    }
    var (name, value) = ("", JSON.null)
    var entry = ProtobufReader(bytes, range)
    while let field = try entry.next() {
      guard let range = field.range else { continue }
      if field.number == 1 { name = try entry.text(range) }
      if field.number == 2 { value = try CallParameters.value(bytes, range) }
    }
    guard !CallParameters.reserved.contains(name) else { return }
    members.append(JSONMember(name, value))
  }

  private static func value(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) throws(CallError) -> JSON {
    var value = JSON.null
    var reader = ProtobufReader(bytes, range)
    while let field = try reader.next() {
      switch (field.number, field.value) {
      case (1, .varint(let number)): value = .bool(number != 0)
      case (2, .varint(let number)): value = .int(Int64(bitPattern: number))
      case (3, .bytes(let range)): value = .string(try reader.text(range))
      case (4, .fixed64(let bits)): value = .double(Double(bitPattern: bits))
      case (5, .varint(let number)): value = Int64(exactly: number).map { .int($0) } ?? .double(Double(number))
      default: break
      }
    }
    return value
  }

  subscript(_ name: String) -> JSON? { members.last { $0.name == name }?.value }

  /// The member `parameters`, with more of this program's own.
  func write(_ more: [JSONMember] = [], to writer: inout JSONWriter) {
    guard !members.isEmpty || !more.isEmpty else { return }
    writer.key("parameters")
    writer.value(.object(members + more))
  }
}

extension ProtobufWriter {
  /// The same the other way round. Lists and objects, which the map does not have, are left out.
  mutating func parameters(_ number: Int, _ members: [JSONMember]) {
    for member in members {
      var value = ProtobufWriter()
      switch member.value {
      case .bool(let flag): value.chosen(1, flag)
      case .int(let number): value.chosen(2, number)
      case .string(let text): value.repeated(3, text)
      case .double(let number): value.chosen(4, number)
      case .null, .array, .object: continue
      }
      var entry = ProtobufWriter()
      entry.repeated(1, member.name)
      entry.message(2, value)
      message(number, entry)
    }
  }
}
