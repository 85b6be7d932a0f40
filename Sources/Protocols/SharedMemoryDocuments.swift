/// The body of `POST /v2/systemsharedmemory/region/R/register`, and of the same under `/v2/thimble/memory`, which has no key.
public struct SharedMemoryRequest: Equatable, Sendable {
  /// The name of a POSIX shared memory object; nil where a descriptor is passed instead.
  public var key: String?
  /// Where the region starts in the object.
  public var offset: Int
  public var byteCount: Int

  public init(key: String? = nil, offset: Int = 0, byteCount: Int) {
    self.key = key
    self.offset = offset
    self.byteCount = byteCount
  }

  /// Errors: malformed JSON, a known member of another type, no size. Unknown members are ignored.
  public init(parsing body: UnsafeRawBufferPointer) throws(ProtocolError) {
    var key: String?
    var offset = 0
    var byteCount: Int?
    var reader = JSONReader(body)
    try reader.beginObject()
    while let member = try reader.nextKey() {
      switch member {
      case "key":
        guard try reader.peekKind() == .string else { throw .fieldInvalid(field: member, expected: "a string") }
        key = try reader.readString()
      case "offset": offset = try reader.readCount(of: member)
      case "byte_size": byteCount = try reader.readCount(of: member)
      default: try reader.skipValue()
      }
    }
    try reader.finish()
    guard let byteCount else { throw .fieldMissing(field: "byte_size", owner: "request") }
    self.init(key: key, offset: offset, byteCount: byteCount)
  }
}

extension SharedMemoryRequest: JSONWritable {
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    if let key { writer.member("key", key) }
    writer.member("offset", offset)
    writer.member("byte_size", byteCount)
    writer.endObject()
  }
}

/// The answer to `GET /v2/systemsharedmemory[/region/R]/status`.
public struct SharedMemoryStatus: JSONWritable, Equatable, Sendable {
  public struct Region: Equatable, Sendable {
    public var name: String
    public var request: SharedMemoryRequest

    public init(name: String, request: SharedMemoryRequest) {
      self.name = name
      self.request = request
    }
  }

  public var regions: [Region]

  public init(regions: [Region]) { self.regions = regions }

  public func write(to writer: inout JSONWriter) {
    writer.beginArray()
    for region in regions {
      writer.beginObject()
      writer.member("name", region.name)
      if let key = region.request.key { writer.member("key", key) }
      writer.member("offset", region.request.offset)
      writer.member("byte_size", region.request.byteCount)
      writer.endObject()
    }
    writer.endArray()
  }
}
