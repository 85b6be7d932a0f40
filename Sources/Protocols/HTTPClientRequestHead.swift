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
  /// For whom this program asks; only root and the daemon's own user may say so.
  public var clientUser: UInt32?
  /// And for which of its connections: one keeps to a version of a model where several share the requests.
  public var clientConnection: UInt64?
  /// Requests with the same one get the same version of a model. Written as printable ASCII, else left out.
  public var routingKey: String?

  public init(
    method: HTTPMethod, path: [String], contentLength: Int? = nil, contentType: String? = nil,
    inferenceHeaderContentLength: Int? = nil, keepsAlive: Bool = true, clientUser: UInt32? = nil,
    clientConnection: UInt64? = nil,
    routingKey: String? = nil
  ) {
    self.method = method
    self.path = path
    self.contentLength = contentLength
    self.contentType = contentType
    self.inferenceHeaderContentLength = inferenceHeaderContentLength
    self.keepsAlive = keepsAlive
    self.clientUser = clientUser
    self.clientConnection = clientConnection
    self.routingKey = routingKey
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
    if let clientUser { text += "Thimble-Client-User: \(clientUser)\r\n" }
    if let clientConnection { text += "Thimble-Client-Connection: \(clientConnection)\r\n" }
    if let routingKey, routingKey.utf8.allSatisfy({ $0 > Byte.space && $0 < Byte.delete }) {
      text += "Thimble-Routing-Key: \(routingKey)\r\n"
    }
    text += keepsAlive ? "\r\n" : "Connection: close\r\n\r\n"
    bytes.append(contentsOf: text.utf8)
  }
}
