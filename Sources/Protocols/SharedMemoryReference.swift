/// Where a tensor's elements stand in memory that client and server share: Triton's parameters `shared_memory_region`,
/// `shared_memory_byte_size` and `shared_memory_offset`.
public struct SharedMemoryReference: Equatable, Sendable {
  /// The name under which the region was registered.
  public var region: String
  /// Bytes from the region's start, which need not be the shared object's.
  public var offset: Int
  public var byteCount: Int

  public init(region: String, offset: Int = 0, byteCount: Int) {
    self.region = region
    self.offset = offset
    self.byteCount = byteCount
  }

  /// Bytes of the region; nil where the sum overflows, as it does in no message that was parsed.
  public var range: Range<Int>? {
    let (end, overflow) = offset.addingReportingOverflow(byteCount)
    return overflow || offset < 0 || end < offset ? nil : offset..<end
  }

  func writeMembers(to writer: inout JSONWriter) {
    writer.member("shared_memory_region", region)
    writer.member("shared_memory_byte_size", byteCount)
    writer.member("shared_memory_offset", offset)
  }
}

/// The members of a tensor's `parameters` that say so, as they come.
struct SharedMemoryParameters {
  private var region: String?
  private var byteCount: Int?
  private var offset = 0

  /// Reads the member's value; false where `key` is none of these.
  mutating func read(_ key: String, _ reader: inout JSONReader) throws(ProtocolError) -> Bool {
    switch key {
    case "shared_memory_region":
      guard try reader.peekKind() == .string else { throw .fieldInvalid(field: key, expected: "a string") }
      region = try reader.readString()
    case "shared_memory_byte_size": byteCount = try reader.readCount(of: key)
    case "shared_memory_offset": offset = try reader.readCount(of: key)
    default: return false
    }
    return true
  }

  /// Nil where no region is named. Errors: no size, a sum that overflows.
  func reference(owner: String) throws(ProtocolError) -> SharedMemoryReference? {
    guard let region else { return nil }
    guard let byteCount else { throw .fieldMissing(field: "shared_memory_byte_size", owner: owner) }
    let reference = SharedMemoryReference(region: region, offset: offset, byteCount: byteCount)
    guard reference.range != nil else {
      throw .fieldInvalid(field: "shared_memory_offset", expected: "such that offset and size fit 63 bits")
    }
    return reference
  }
}
