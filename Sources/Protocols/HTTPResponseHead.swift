/// The status line and headers of an answer; what follows is `contentLength` bytes.
public struct HTTPResponseHead: Equatable, Sendable {
  public var status: HTTPStatus
  /// Bytes of the body.
  public var contentLength: Int
  public var contentType: String?
  /// Whether the connection stays open; always said, because HTTP/1.0 clients assume the contrary.
  public var keepsAlive: Bool
  public var retryAfterSeconds: Int?
  /// Bytes of JSON before the raw tensors of an inference answer.
  public var inferenceHeaderContentLength: Int?
  /// The methods of a 405: `GET, HEAD` or `POST`.
  public var allow: String?

  /// Media types of the bodies here.
  public static let json = "application/json"
  public static let octetStream = "application/octet-stream"
  public static let metricsText = "text/plain; version=0.0.4; charset=utf-8"

  public static let eventStream = "text/event-stream"

  /// What a client that sent `Expect: 100-continue` waits for.
  public static let continueLine: StaticString = "HTTP/1.1 100 Continue\r\n\r\n"

  public init(
    status: HTTPStatus, contentLength: Int, contentType: String? = HTTPResponseHead.json, keepsAlive: Bool = true,
    retryAfterSeconds: Int? = nil, inferenceHeaderContentLength: Int? = nil, allow: String? = nil
  ) {
    self.status = status
    self.contentLength = contentLength
    self.contentType = contentType
    self.keepsAlive = keepsAlive
    self.retryAfterSeconds = retryAfterSeconds
    self.inferenceHeaderContentLength = inferenceHeaderContentLength
    self.allow = allow
  }

  /// Appends the head of an answer of unknown length: chunks, or what comes until the connection is closed.
  public static func writeStream(isChunked: Bool, keepsAlive: Bool, to bytes: inout [UInt8]) {
    var text = "HTTP/1.1 200 OK\r\nContent-Type: \(eventStream)\r\nCache-Control: no-cache\r\n"
    if isChunked { text += "Transfer-Encoding: chunked\r\n" }
    text += isChunked && keepsAlive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n"
    bytes.append(contentsOf: text.utf8)
  }

  /// Appends the head with its blank line. Precondition: the strings have no line ends.
  public func write(to bytes: inout [UInt8]) {
    var text = "HTTP/1.1 \(status.code) \(status.reason)\r\nContent-Length: \(contentLength)\r\n"
    if let contentType { text += "Content-Type: \(contentType)\r\n" }
    if let inferenceHeaderContentLength {
      text += "Inference-Header-Content-Length: \(inferenceHeaderContentLength)\r\n"
    }
    if let retryAfterSeconds { text += "Retry-After: \(retryAfterSeconds)\r\n" }
    if let allow { text += "Allow: \(allow)\r\n" }
    text += keepsAlive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n"
    bytes.append(contentsOf: text.utf8)
  }
}
