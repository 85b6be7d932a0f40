/// The request line and what the server needs of the headers.
public struct HTTPRequestHead: Equatable, Sendable {
  public let method: HTTPMethod
  public let version: HTTPVersion
  /// Percent-decoded segments of the path; the query is dropped. A segment is any UTF-8 without NUL, so it may be `..`
  /// or hold a slash: look names up, never join them into a file's path.
  public let path: [String]
  public let body: HTTPBodyLength
  /// Whether the connection stays open after the answer.
  public let keepsAlive: Bool
  /// Whether the client waits for `100 Continue` before it sends the body.
  public let expectsContinue: Bool
  /// `Inference-Header-Content-Length`, in bytes. It is not compared with the body's length here.
  public let inferenceHeaderContentLength: Int?
  public let contentType: String?
  public let accept: String?
  /// `Thimble-Routing-Key`: requests with the same one get the same version of a model.
  public let routingKey: String?
  /// `Thimble-Client-User`: for whom a gateway asks. Anybody can send it: believe it only of who is known to be one.
  public let clientUser: UInt32?
  /// `Thimble-Client-Connection`: which of the gateway's connections it is.
  public let clientConnection: Int?
}
