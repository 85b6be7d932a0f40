/// The request line and headers that the client library sends; what follows is `contentLength` bytes.
public struct HTTPClientRequestHead: Equatable, Sendable {
  public var method: HTTPMethod
  /// Segments of the path; they are percent-encoded as they are written.
  public var path: [String]
  /// Bytes of the body; nil where the method has none.
  public var contentLength: Int?
  public var contentType: String?
  /// Bytes of JSON before the raw tensors of an inference request.
  public var inferenceHeaderContentLength: Int?
  public var keepsAlive: Bool

  public init(
    method: HTTPMethod, path: [String], contentLength: Int? = nil, contentType: String? = nil,
    inferenceHeaderContentLength: Int? = nil, keepsAlive: Bool = true
  ) {
    self.method = method
    self.path = path
    self.contentLength = contentLength
    self.contentType = contentType
    self.inferenceHeaderContentLength = inferenceHeaderContentLength
    self.keepsAlive = keepsAlive
  }

  /// Appends the head with its blank line. Precondition: the strings have no line ends.
  public func write(to bytes: inout [UInt8]) {
    bytes.append(contentsOf: method.name.utf8)
    bytes.append(Byte.space)
    HTTPPath.append(path, to: &bytes)
    var text = " HTTP/1.1\r\nHost: localhost\r\n"
    if let contentLength { text += "Content-Length: \(contentLength)\r\n" }
    if let contentType { text += "Content-Type: \(contentType)\r\n" }
    if let inferenceHeaderContentLength {
      text += "Inference-Header-Content-Length: \(inferenceHeaderContentLength)\r\n"
    }
    text += keepsAlive ? "\r\n" : "Connection: close\r\n\r\n"
    bytes.append(contentsOf: text.utf8)
  }
}
