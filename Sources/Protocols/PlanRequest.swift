/// The body of `POST /v2/thimble/plan`.
public struct PlanRequest: Equatable, Sendable {
  /// The version may be a number or a text.
  public var model: ModelReference
  /// Nil: the one for full speed.
  public var memoryBudgetByteCount: Int?

  public init(model: ModelReference, memoryBudgetByteCount: Int? = nil) {
    self.model = model
    self.memoryBudgetByteCount = memoryBudgetByteCount
  }

  /// Errors: malformed JSON, no model, a known member of another type. Unknown members are ignored.
  public init(parsing body: UnsafeRawBufferPointer) throws(ProtocolError) {
    var name: String?
    var version: String?
    var budget: Int?
    var reader = JSONReader(body)
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "model":
        guard try reader.peekKind() == .string else { throw .fieldInvalid(field: key, expected: "a string") }
        name = try reader.readString()
      case "version":
        version = try reader.peekKind() == .string ? reader.readString() : "\(reader.readCount(of: key))"
      case "memory_budget_bytes": budget = try reader.readCount(of: key)
      default: try reader.skipValue()
      }
    }
    try reader.finish()
    guard let name else { throw .fieldMissing(field: "model", owner: "request") }
    self.init(model: ModelReference(name: name, version: version), memoryBudgetByteCount: budget)
  }
}
