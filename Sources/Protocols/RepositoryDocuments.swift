/// One model version in the answer to `POST /v2/repository/index`.
public struct RepositoryIndexEntry: JSONWritable, Equatable, Sendable {
  /// Triton's names of the states.
  public enum State: String, Sendable {
    case unknown = "UNKNOWN"
    case ready = "READY"
    case unavailable = "UNAVAILABLE"
    case loading = "LOADING"
    case unloading = "UNLOADING"
  }

  public var name: String
  public var version: String?
  public var state: State
  /// Why the model is in this state; empty where that needs no saying.
  public var reason: String

  public init(name: String, version: String? = nil, state: State, reason: String = "") {
    self.name = name
    self.version = version
    self.state = state
    self.reason = reason
  }

  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("name", name)
    if let version { writer.member("version", version) }
    writer.member("state", state.rawValue)
    writer.member("reason", reason)
    writer.endObject()
  }
}

/// The answer to `POST /v2/repository/index`.
public struct RepositoryIndex: JSONWritable, Equatable, Sendable {
  public var entries: [RepositoryIndexEntry]

  public init(entries: [RepositoryIndexEntry]) { self.entries = entries }

  public func write(to writer: inout JSONWriter) {
    writer.beginArray()
    for entry in entries { entry.write(to: &writer) }
    writer.endArray()
  }
}

/// The body of `POST /v2/repository/…`: all of it optional, an empty body included.
public struct RepositoryRequest: Equatable, Sendable {
  /// Of an index: whether to list only models that are ready.
  public var isReadyOnly = false
  /// Of a load: the configuration that replaces the repository's, a JSON text.
  public var configuration: String?
  /// Of an unload: whether models that are only there for this one go too.
  public var unloadsDependents = false

  public init() {}

  /// Errors: malformed JSON, a known member of another type. Unknown members are ignored.
  public init(parsing body: UnsafeRawBufferPointer) throws(ProtocolError) {
    guard !body.isEmpty else { return }
    var reader = JSONReader(body)
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "ready": isReadyOnly = try reader.readFlag(of: key)
      case "parameters": try readParameters(&reader)
      default: try reader.skipValue()
      }
    }
    try reader.finish()
  }

  private mutating func readParameters(_ reader: inout JSONReader) throws(ProtocolError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "config":
        guard try reader.peekKind() == .string else {
          throw .fieldInvalid(field: key, expected: "a string that holds JSON")
        }
        configuration = try reader.readString()
      case let file where file.hasPrefix("file:"):
        throw .fieldInvalid(
          field: "file:", expected: "left out: models are files of the repository, which a load does not bring")
      case "unload_dependents": unloadsDependents = try reader.readFlag(of: key)
      default: try reader.skipValue()
      }
    }
  }
}
