/// What a client needs of an answer's head.
public struct HTTPClientResponseHead: Equatable, Sendable {
  /// The number of the status line, known to `HTTPStatus` or not.
  public let statusCode: Int
  public let body: HTTPBodyLength
  /// Whether the connection can be used again.
  public let keepsAlive: Bool
  /// `Inference-Header-Content-Length`, in bytes.
  public let inferenceHeaderContentLength: Int?
  public let retryAfterSeconds: Int?
  public let contentType: String?

  /// Whether another head follows: `100 Continue` and its kin.
  public var isInterim: Bool { statusCode < 200 }
}

/// An incremental parser of HTTP/1.1 and 1.0 answers; the body is for `HTTPBodyDecoder`.
public struct HTTPResponseParser {
  public enum Progress: Equatable, Sendable {
    case needMore
    /// The head takes the first `consumed` bytes.
    case head(HTTPClientResponseHead, consumed: Int)
  }

  private let limits: HTTPLimits
  private var scanner = HTTPHeadScanner()

  public init(limits: HTTPLimits = HTTPLimits()) { self.limits = limits }

  /// Give it everything received and not yet consumed. `answersHead`: the request's method was HEAD, so no body follows.
  public mutating func parse(
    _ received: UnsafeRawBufferPointer, answersHead: Bool = false
  ) throws(ProtocolError) -> Progress {
    guard let found = try scanner.scan(received, limitBytes: limits.headBytesMax) else { return .needMore }
    let head = try HTTPResponseParser.head(received, lines: found.lines, answersHead: answersHead)
    return .head(head, consumed: found.consumed)
  }

  private static func head(
    _ bytes: UnsafeRawBufferPointer, lines: Range<Int>, answersHead: Bool
  ) throws(ProtocolError) -> HTTPClientResponseHead {
    var lineEnd = lines.lowerBound
    while lineEnd < lines.upperBound, bytes[lineEnd] != Byte.carriageReturn { lineEnd += 1 }
    let (version, code) = try statusLine(bytes, lines.lowerBound..<lineEnd)
    let fields = try HTTPHeaderFields(bytes, lines: min(lineEnd + 2, lines.upperBound)..<lines.upperBound)
    let length = try fields.bodyLength(version: version)
    let hasNoBody = answersHead || code < 200 || code == 204 || code == 304
    let body = hasNoBody ? .empty : length ?? .untilClose
    return HTTPClientResponseHead(
      statusCode: code, body: body, keepsAlive: fields.keepsAlive(version: version) && body != .untilClose,
      inferenceHeaderContentLength: fields.inferenceHeaderContentLength, retryAfterSeconds: fields.retryAfterSeconds,
      contentType: fields.contentType)
  }

  /// `HTTP/1.1 SP CODE [SP REASON]`.
  private static func statusLine(
    _ bytes: UnsafeRawBufferPointer, _ line: Range<Int>
  ) throws(ProtocolError) -> (HTTPVersion, Int) {
    let start = line.lowerBound
    guard line.count >= 12, bytes[start + 8] == Byte.space, line.count == 12 || bytes[start + 12] == Byte.space,
      let code = bytes.decimal((start + 9)..<(start + 12)), (100...599).contains(code)
    else { throw .http(.statusLine, offset: start) }
    return (try HTTPRequestParser.version(bytes, start..<(start + 8)), code)
  }
}
