/// The method of a request. A valid token that is none of these is `other`; no route takes it.
public enum HTTPMethod: Sendable, CaseIterable {
  case get, head, post, put, delete, options, patch, other

  public var name: String {
    switch self {
    case .get: "GET"
    case .head: "HEAD"
    case .post: "POST"
    case .put: "PUT"
    case .delete: "DELETE"
    case .options: "OPTIONS"
    case .patch: "PATCH"
    case .other: ""
    }
  }
}

/// The versions spoken: 1.0 differs in closing by default and in having no chunks.
public enum HTTPVersion: Sendable {
  case http10, http11
}

/// How the end of a body is known.
public enum HTTPBodyLength: Equatable, Sendable {
  case empty
  /// Content-Length, in bytes.
  case bytes(Int)
  case chunked
  /// All until the connection ends; only responses.
  case untilClose
}
