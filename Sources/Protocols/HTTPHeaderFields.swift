/// The headers this project looks at; all others are checked for form and dropped.
struct HTTPHeaderFields: Equatable {
  var contentLength: Int?
  var transferEncoding: TransferEncoding?
  var closesConnection = false
  var keepsConnection = false
  var expectsContinue = false
  var inferenceHeaderContentLength: Int?
  var retryAfterSeconds: Int?
  var contentType: String?
  var accept: String?
  var routingKey: String?
  var clientUser: UInt32?
  var clientConnection: Int?

  enum TransferEncoding { case chunked, unsupported }

  /// Parses header lines, each ended by CR LF. Errors: malformed lines; Content-Length that is repeated or no number;
  /// Transfer-Encoding that is repeated. Precondition: `HTTPHeadScanner` has checked the line ends.
  init(_ bytes: UnsafeRawBufferPointer, lines: Range<Int>) throws(ProtocolError) {
    var start = lines.lowerBound
    while start < lines.upperBound {
      var end = start
      while end < lines.upperBound, bytes[end] != Byte.carriageReturn { end += 1 }
      try parseLine(bytes, start..<end)
      start = end + 2
    }
  }

  /// How the body ends. Errors: both a length and a coding (request smuggling), an unknown coding, a coding in 1.0.
  func bodyLength(version: HTTPVersion) throws(ProtocolError) -> HTTPBodyLength? {
    guard let transferEncoding else { return contentLength.map { $0 == 0 ? .empty : .bytes($0) } }
    guard contentLength == nil else { throw .http(.lengthAndTransferEncoding, offset: 0) }
    guard version == .http11 else { throw .http(.transferEncoding, offset: 0) }
    guard transferEncoding == .chunked else { throw .transferCodingUnsupported }
    return .chunked
  }

  func keepsAlive(version: HTTPVersion) -> Bool {
    !closesConnection && (version == .http11 || keepsConnection)
  }

  private mutating func parseLine(_ bytes: UnsafeRawBufferPointer, _ line: Range<Int>) throws(ProtocolError) {
    var colon = line.lowerBound
    guard let first = line.first, bytes[first] != Byte.space, bytes[first] != Byte.tab else {
      throw .http(.headerFold, offset: line.lowerBound)
    }
    while colon < line.upperBound, HTTPHeaderFields.isTokenByte(bytes[colon]) { colon += 1 }
    guard colon > line.lowerBound, colon < line.upperBound, bytes[colon] == Byte.colon else {
      throw .http(.headerName, offset: colon)
    }
    let value = bytes.trimmed((colon + 1)..<line.upperBound)
    for index in value where bytes[index] < Byte.space && bytes[index] != Byte.tab || bytes[index] == Byte.delete {
      throw .http(.headerValue, offset: index)
    }
    try store(bytes, name: line.lowerBound..<colon, value: value)
  }

  private mutating func store(
    _ bytes: UnsafeRawBufferPointer, name: Range<Int>, value: Range<Int>
  ) throws(ProtocolError) {
    if bytes.equalsIgnoringCase(name, "content-length") {
      guard contentLength == nil else { throw .http(.contentLengthRepeated, offset: name.lowerBound) }
      guard let length = bytes.decimal(value) else { throw .http(.contentLength, offset: value.lowerBound) }
      contentLength = length
    } else if bytes.equalsIgnoringCase(name, "transfer-encoding") {
      guard transferEncoding == nil else { throw .http(.transferEncoding, offset: name.lowerBound) }
      transferEncoding = bytes.equalsIgnoringCase(value, "chunked") ? .chunked : .unsupported
    } else if bytes.equalsIgnoringCase(name, "connection") {
      storeConnection(bytes, value)
    } else if bytes.equalsIgnoringCase(name, "expect") {
      expectsContinue = bytes.equalsIgnoringCase(value, "100-continue")
    } else if bytes.equalsIgnoringCase(name, "inference-header-content-length") {
      guard inferenceHeaderContentLength == nil, let length = bytes.decimal(value) else {
        throw .http(.inferenceHeaderLength, offset: value.lowerBound)
      }
      inferenceHeaderContentLength = length
    } else if bytes.equalsIgnoringCase(name, "content-type") {
      contentType = bytes.string(value)
    } else if bytes.equalsIgnoringCase(name, "accept") {
      accept = bytes.string(value)
    } else if bytes.equalsIgnoringCase(name, "thimble-routing-key") {
      routingKey = bytes.string(value)
    } else if bytes.equalsIgnoringCase(name, "thimble-client-user") {
      guard clientUser == nil, let number = bytes.decimal(value), let user = UInt32(exactly: number), user < UInt32.max
      else { throw .http(.clientUser, offset: value.lowerBound) }
      clientUser = user
    } else if bytes.equalsIgnoringCase(name, "thimble-client-connection") {
      clientConnection = bytes.decimal(value)
    } else if bytes.equalsIgnoringCase(name, "retry-after") {
      retryAfterSeconds = bytes.decimal(value)
    }
  }

  /// `Connection` is a list of tokens.
  private mutating func storeConnection(_ bytes: UnsafeRawBufferPointer, _ value: Range<Int>) {
    var start = value.lowerBound
    while start < value.upperBound {
      var end = start
      while end < value.upperBound, bytes[end] != Byte.comma { end += 1 }
      let token = bytes.trimmed(start..<end)
      if bytes.equalsIgnoringCase(token, "close") { closesConnection = true }
      if bytes.equalsIgnoringCase(token, "keep-alive") { keepsConnection = true }
      start = end + 1
    }
  }

  /// The bytes of names and methods (RFC 9110, section 5.6.2).
  static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E...0x60, 0x7C, 0x7E: true
    default: false
    }
  }
}
