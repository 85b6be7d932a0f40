/// `GET /v2`.
public struct ServerMetadata: JSONWritable, Equatable, Sendable {
  public var name: String
  public var version: String
  public var extensions: [String]

  public init(name: String, version: String, extensions: [String]) {
    self.name = name
    self.version = version
    self.extensions = extensions
  }

  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("name", name)
    writer.member("version", version)
    writer.member("extensions", extensions)
    writer.endObject()
  }
}

/// `GET /v2/health/live` and, with `isReady`, `GET /v2/health/ready`.
public struct ServerHealth: JSONWritable, Equatable, Sendable {
  public var isLive: Bool
  public var isReady: Bool?

  public init(isLive: Bool, isReady: Bool? = nil) {
    self.isLive = isLive
    self.isReady = isReady
  }

  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("live", isLive)
    if let isReady { writer.member("ready", isReady) }
    writer.endObject()
  }
}

/// The body of every answer whose status is not 200.
public struct ErrorBody: JSONWritable, Equatable, Sendable {
  public var message: String

  public init(_ message: String) { self.message = message }

  public init(_ error: ProtocolError) { message = error.message }

  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("error", message)
    writer.endObject()
  }
}
