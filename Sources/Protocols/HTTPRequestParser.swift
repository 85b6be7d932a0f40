/// An incremental parser of HTTP/1.1 and 1.0 request heads (RFC 9112).
///
/// Give it everything received and not yet consumed, each time more has come; it looks at every byte once. After a head
/// the body follows: take it with an `HTTPBodyDecoder`, so that memory for a body of known length can be reserved before
/// its first byte is read. Then use the same parser for the next request; pipelined bytes stay unconsumed.
public struct HTTPRequestParser {
  public enum Progress: Equatable, Sendable {
    case needMore
    /// The head takes the first `consumed` bytes.
    case head(HTTPRequestHead, consumed: Int)
  }

  private let limits: HTTPLimits
  private var scanner = HTTPHeadScanner()

  public init(limits: HTTPLimits = HTTPLimits()) { self.limits = limits }

  /// Errors end the connection: answer with their status and close.
  public mutating func parse(_ received: UnsafeRawBufferPointer) throws(ProtocolError) -> Progress {
    guard let found = try scanner.scan(received, limitBytes: limits.headBytesMax) else { return .needMore }
    return .head(try HTTPRequestParser.head(received, lines: found.lines), consumed: found.consumed)
  }

  private static func head(
    _ bytes: UnsafeRawBufferPointer, lines: Range<Int>
  ) throws(ProtocolError) -> HTTPRequestHead {
    var lineEnd = lines.lowerBound
    while lineEnd < lines.upperBound, bytes[lineEnd] != Byte.carriageReturn { lineEnd += 1 }
    let line = try requestLine(bytes, lines.lowerBound..<lineEnd)
    // The scanner has made sure of the CR LF.
    let fields = try HTTPHeaderFields(bytes, lines: min(lineEnd + 2, lines.upperBound)..<lines.upperBound)
    return HTTPRequestHead(
      method: line.method, version: line.version, path: try HTTPPath.segments(bytes, line.target),
      body: try fields.bodyLength(version: line.version) ?? .empty,
      keepsAlive: fields.keepsAlive(version: line.version),
      expectsContinue: fields.expectsContinue && line.version == .http11,
      inferenceHeaderContentLength: fields.inferenceHeaderContentLength, contentType: fields.contentType,
      accept: fields.accept, routingKey: fields.routingKey, clientUser: fields.clientUser,
      clientConnection: fields.clientConnection)
  }

  /// `METHOD SP TARGET SP VERSION`, with single spaces.
  private static func requestLine(
    _ bytes: UnsafeRawBufferPointer, _ line: Range<Int>
  ) throws(ProtocolError) -> (method: HTTPMethod, target: Range<Int>, version: HTTPVersion) {
    var methodEnd = line.lowerBound
    while methodEnd < line.upperBound, HTTPHeaderFields.isTokenByte(bytes[methodEnd]) { methodEnd += 1 }
    guard methodEnd > line.lowerBound, methodEnd < line.upperBound, bytes[methodEnd] == Byte.space else {
      throw .http(.requestLine, offset: methodEnd)
    }
    let targetStart = methodEnd + 1
    var targetEnd = targetStart
    while targetEnd < line.upperBound, bytes[targetEnd] > Byte.space, bytes[targetEnd] != Byte.delete { targetEnd += 1 }
    guard targetEnd > targetStart, targetEnd < line.upperBound, bytes[targetEnd] == Byte.space else {
      throw .http(.requestLine, offset: targetEnd)
    }
    let version = try version(bytes, (targetEnd + 1)..<line.upperBound)
    return (method(bytes, line.lowerBound..<methodEnd), targetStart..<targetEnd, version)
  }

  /// Methods are case-sensitive.
  private static func method(_ bytes: UnsafeRawBufferPointer, _ name: Range<Int>) -> HTTPMethod {
    let text = bytes.string(name)
    return HTTPMethod.allCases.first { $0.name == text } ?? .other
  }

  /// `HTTP/1.0` or `HTTP/1.1`; other well-formed versions are refused as such.
  static func version(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) throws(ProtocolError) -> HTTPVersion {
    let malformed = ProtocolError.http(.requestLine, offset: range.lowerBound)
    guard range.count == 8 else { throw malformed }
    let digits = range.upperBound - 3
    guard bytes.equalsIgnoringCase(range.lowerBound..<digits, "http/"), bytes[digits + 1] == Byte.dot,
      Byte.isDigit(bytes[digits]), Byte.isDigit(bytes[digits + 2])
    else { throw malformed }
    guard bytes[digits] == Byte.zero + 1, bytes[digits + 2] <= Byte.zero + 1 else { throw .versionUnsupported }
    return bytes[digits + 2] == Byte.zero ? .http10 : .http11
  }
}
