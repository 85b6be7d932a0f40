import Tensors

extension ProtocolError {
  /// The status that answers a request with this error.
  public var status: HTTPStatus {
    switch self {
    case .headTooLarge: .headerFieldsTooLarge
    case .bodyTooLarge: .contentTooLarge
    case .versionUnsupported: .versionNotSupported
    case .transferCodingUnsupported: .notImplemented
    case .bufferMismatch, .outputNotFinite: .internalServerError
    default: .badRequest
    }
  }

  /// Whether the bytes after the error cannot be told apart any more, so that the connection must be closed.
  public var endsConnection: Bool {
    switch self {
    case .http, .headTooLarge, .bodyTooLarge, .versionUnsupported, .transferCodingUnsupported: true
    default: false
    }
  }

  /// What is wrong and what to do about it, for the peer. Text of the peer's is shortened to 64 characters.
  public var message: String {
    switch self {
    case .http(let fault, let offset): "malformed HTTP at byte \(offset): \(fault.message)"
    case .headTooLarge(let limit): "request line and headers are over \(limit) bytes: send fewer or shorter headers"
    case .bodyTooLarge(let limit):
      "request body is over \(limit) bytes: send smaller tensors or raise the server's limit"
    case .versionUnsupported: "only HTTP/1.0 and HTTP/1.1 are spoken here"
    case .transferCodingUnsupported: "the only transfer coding understood is chunked"
    case .json(let fault, let offset): "malformed JSON at byte \(offset): \(fault.message)"
    default: inferenceMessage
    }
  }

  private var inferenceMessage: String {
    switch self {
    case .fieldMissing(let field, let owner): "\(owner.quoted) has no \"\(field)\": add it"
    case .fieldInvalid(let field, let expected): "\(field.quoted) must be \(expected)"
    case .tooManyTensors(let limit): "a message may have \(limit) inputs and \(limit) outputs"
    case .tensorDuplicated(let tensor): "tensor \(tensor.quoted) is given more than once"
    case .datatypeUnknown(let tensor, let datatype):
      "tensor \(tensor.quoted) has the unknown datatype \(datatype.quoted): use \(ProtocolError.datatypes)"
    case .datatypeUnsupported(let tensor, let datatype):
      "tensor \(tensor.quoted) has datatype \(datatype.quoted), which is not supported here: use \(ProtocolError.datatypes)"
    case .shapeInvalid(let tensor):
      "shape of tensor \(tensor.quoted) must list at most \(Shape.rankMax) sizes from 0 up whose product fits in memory"
    case .elementCountMismatch(let tensor, let expected, let actual):
      "tensor \(tensor.quoted) has \(actual) elements where its shape says \(expected)"
    case .byteCountMismatch(let tensor, let expected, let actual):
      "tensor \(tensor.quoted) has \(actual) bytes where its shape and datatype say \(expected)"
    case .elementInvalid(let tensor, let index, let elementType):
      "element \(index) of tensor \(tensor.quoted) is not a value of \(elementType.name)"
    case .headerLengthInvalid(let header, let body):
      "Inference-Header-Content-Length is \(header) but the body has \(body) bytes"
    case .binaryBytesMismatch(let expected, let actual):
      "tensors declare \(expected) bytes of binary data in all, but \(actual) follow the JSON header"
    case .bufferMismatch(let tensor, let expected, let actual):
      "tensor \(tensor.quoted) takes \(expected) bytes but its buffer has \(actual)"
    case .outputNotFinite(let output, let index):
      "element \(index) of output \(output.quoted) is not finite, which JSON cannot say: ask for binary_data"
    default: "invalid request"
    }
  }

  private static var datatypes: String {
    var text = ""
    for type in ElementType.allCases { text += (text.isEmpty ? "" : ", ") + type.name }
    return text
  }
}

extension String {
  /// The text in quotation marks, shortened to `ProtocolLimits.quotedCharactersMax`.
  var quoted: String {
    // Scalars, because one Character may be arbitrarily long.
    let start = unicodeScalars.prefix(ProtocolLimits.quotedCharactersMax)
    var text = "\""
    text.unicodeScalars.append(contentsOf: start)
    return text + (start.endIndex == unicodeScalars.endIndex ? "\"" : "…\"")
  }
}

extension HTTPFault {
  var message: String {
    switch self {
    case .requestLine: "the request line must be METHOD SP TARGET SP HTTP/1.1"
    case .statusLine: "the status line must be HTTP/1.1 SP CODE SP REASON"
    case .target: "the target must be a path of valid percent-encoded UTF-8"
    case .tooManySegments: "the path has over \(ProtocolLimits.pathSegmentsMax) segments"
    case .headerName: "a header line must be a name, a colon and a value, with no space before the colon"
    case .headerValue: "a header value has a control character"
    case .headerFold: "a header may not continue on the next line"
    case .bareLineEnd: "lines must end with CR LF"
    case .nul: "NUL is not allowed"
    case .contentLength: "Content-Length must be one decimal number"
    case .contentLengthRepeated: "Content-Length may be given only once"
    case .clientUser: "Thimble-Client-User takes one user's number"
    case .lengthAndTransferEncoding: "give Content-Length or Transfer-Encoding, not both"
    case .transferEncoding: "Transfer-Encoding may be given once and only with HTTP/1.1"
    case .inferenceHeaderLength: "Inference-Header-Content-Length must be one decimal number"
    case .chunkSize: "a chunk must start with its size in hexadecimal"
    case .chunkEnd: "a chunk must end with CR LF after its bytes"
    case .trailer: "the trailer is malformed or too long"
    }
  }
}

extension JSONFault {
  var message: String {
    switch self {
    case .truncated: "the text ends in the middle of a value"
    case .unexpectedByte: "expected a value"
    case .expectedObject: "expected an object"
    case .expectedArray: "expected an array"
    case .expectedString: "expected a string"
    case .expectedNumber: "expected a number"
    case .expectedInteger: "expected an integer of 64 bits"
    case .expectedBool: "expected true or false"
    case .expectedKey: "expected a member's name in quotation marks"
    case .expectedColon: "expected a colon"
    case .expectedCommaOrEnd: "expected a comma or the end of the array or object"
    case .trailingBytes: "expected nothing more"
    case .literal: "expected true, false or null"
    case .number: "a number is malformed"
    case .numberTooLong: "a number has over \(ProtocolLimits.jsonNumberBytesMax) bytes"
    case .numberOutOfRange: "a number is too large"
    case .controlCharacter: "control characters in strings must be escaped"
    case .escape: "unknown escape"
    case .surrogate: "a surrogate stands alone"
    case .utf8: "text is not valid UTF-8"
    case .stringTooLong: "a string has over \(ProtocolLimits.jsonStringBytesMax) bytes"
    case .tooDeep: "values are nested over \(ProtocolLimits.jsonDepthMax) deep"
    case .tooManyValues: "the document has over \(ProtocolLimits.jsonNodesMax) values"
    }
  }
}
