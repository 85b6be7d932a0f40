/// The body of a request or an answer: JSON, then the binary parts one after another.
public struct EncodedInference {
  /// Bytes after the JSON.
  public enum Part {
    /// A tensor where it stands, not copied.
    case tensor(UnsafeRawBufferPointer)
    case bytes([UInt8])

    public var count: Int {
      switch self {
      case .tensor(let bytes): bytes.count
      case .bytes(let bytes): bytes.count
      }
    }
  }

  public var json: [UInt8] = []
  public var parts: [Part] = []
  /// The value of `Inference-Header-Content-Length`; nil where all is JSON.
  public var headerContentLength: Int?

  public init(json: [UInt8] = []) { self.json = json }

  /// Bytes of the body.
  public var byteCount: Int { parts.reduce(json.count) { $0 + $1.count } }

  public var contentType: String { headerContentLength == nil ? HTTPResponseHead.json : HTTPResponseHead.octetStream }
}
