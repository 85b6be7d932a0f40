/// A JSON document as a tree, for small ones: a model's `config.json`, the body of a load request.
///
/// Tensors never pass through it; see `JSONReader`.
public enum JSON: Equatable, Sendable {
  case null
  case bool(Bool)
  case int(Int64)
  case double(Double)
  case string(String)
  case array([JSON])
  case object([JSONMember])

  /// Parses a whole document. Errors: anything that is not strict RFC 8259, over `ProtocolLimits.jsonNodesMax` values,
  /// nested over `ProtocolLimits.jsonDepthMax` deep.
  public init(parsing bytes: UnsafeRawBufferPointer) throws(ProtocolError) {
    var reader = JSONReader(bytes)
    self = try reader.readTree()
    try reader.finish()
  }

  /// Parses a whole document held as text.
  public init(parsing text: String) throws(ProtocolError) {
    let bytes = Array(text.utf8)
    let result = bytes.withUnsafeBytes { raw -> Result<JSON, ProtocolError> in
      do throws(ProtocolError) { return .success(try JSON(parsing: raw)) } catch { return .failure(error) }
    }
    self = try result.get()
  }

  /// The member of an object; where a name is given twice the last counts. Nil for anything else.
  public subscript(_ name: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.last { $0.name == name }?.value
  }

  /// An integral number that fits 64 bits; `3.0` is 3.
  public var int: Int64? {
    switch self {
    case .int(let value): value
    case .double(let value): Int64(integral: value)
    default: nil
    }
  }

  public var double: Double? {
    switch self {
    case .int(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }

  public var bool: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  public var string: String? {
    if case .string(let value) = self { value } else { nil }
  }

  public var array: [JSON]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  public var object: [JSONMember]? {
    if case .object(let members) = self { members } else { nil }
  }
}

/// A name and value of a JSON object, in the order of the text.
public struct JSONMember: Equatable, Sendable {
  public let name: String
  public let value: JSON

  public init(_ name: String, _ value: JSON) {
    self.name = name
    self.value = value
  }
}

extension JSONReader {
  /// Reads the next value as a tree of at most `ProtocolLimits.jsonNodesMax` values.
  public mutating func readTree() throws(ProtocolError) -> JSON {
    var nodesLeft = ProtocolLimits.jsonNodesMax
    return try readTree(&nodesLeft)
  }

  private mutating func readTree(_ nodesLeft: inout Int) throws(ProtocolError) -> JSON {
    let kind = try peekKind()
    guard nodesLeft > 0 else { throw .json(.tooManyValues, offset: offset) }
    nodesLeft -= 1
    switch kind {
    case .null:
      try readNull()
      return .null
    case .bool: return .bool(try readBool())
    case .string: return .string(try readString())
    case .number:
      switch try readNumber() {
      case .int(let value): return .int(value)
      case .double(let value): return .double(value)
      }
    case .array:
      var elements: [JSON] = []
      try beginArray()
      while try nextElement() { elements.append(try readTree(&nodesLeft)) }
      return .array(elements)
    case .object:
      var members: [JSONMember] = []
      try beginObject()
      while let name = try nextKey() { members.append(JSONMember(name, try readTree(&nodesLeft))) }
      return .object(members)
    }
  }
}
