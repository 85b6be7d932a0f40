import Tensors

/// Everything that can be wrong with a peer's bytes, or with a value that has no form on the wire.
///
/// Offsets are bytes from the start of the message part that was parsed: the head, the body's chunk framing, or the JSON
/// text.
public enum ProtocolError: Error, Equatable, Sendable {
  // HTTP
  case http(HTTPFault, offset: Int)
  case headTooLarge(limitBytes: Int)
  case bodyTooLarge(limitBytes: Int)
  case versionUnsupported
  case transferCodingUnsupported

  // JSON
  case json(JSONFault, offset: Int)

  // Open Inference Protocol
  /// A required field is absent; `owner` is the tensor or object that lacks it.
  case fieldMissing(field: String, owner: String)
  case fieldInvalid(field: String, expected: String)
  case tooManyTensors(limit: Int)
  case tensorDuplicated(tensor: String)
  case datatypeUnknown(tensor: String, datatype: String)
  case datatypeUnsupported(tensor: String, datatype: String)
  case shapeInvalid(tensor: String)
  case elementCountMismatch(tensor: String, expected: Int, actual: Int)
  case byteCountMismatch(tensor: String, expected: Int, actual: Int)
  case elementInvalid(tensor: String, index: Int, elementType: ElementType)
  /// The header says its JSON is longer than the whole body, or is negative.
  case headerLengthInvalid(headerBytes: Int, bodyBytes: Int)
  /// The raw tensors after the JSON take more or fewer bytes than there are.
  case binaryBytesMismatch(expected: Int, actual: Int)
  /// The memory for a decoded or encoded tensor is not as large as the tensor.
  case bufferMismatch(tensor: String, expected: Int, actual: Int)
  /// JSON has no NaN and no infinity.
  case outputNotFinite(output: String, index: Int)
}

/// What is wrong with an HTTP message.
public enum HTTPFault: Equatable, Sendable {
  case requestLine
  case statusLine
  case target
  case tooManySegments
  case headerName
  case headerValue
  case headerFold
  case bareLineEnd
  case nul
  case contentLength
  case contentLengthRepeated
  /// `Thimble-Client-User` is no user's number, or given twice.
  case clientUser
  case lengthAndTransferEncoding
  case transferEncoding
  case inferenceHeaderLength
  case chunkSize
  case chunkEnd
  case trailer
}

/// What is wrong with a JSON text.
public enum JSONFault: Equatable, Sendable {
  case truncated
  case unexpectedByte
  case expectedObject
  case expectedArray
  case expectedString
  case expectedNumber
  case expectedInteger
  case expectedBool
  case expectedKey
  case expectedColon
  case expectedCommaOrEnd
  case trailingBytes
  case literal
  case number
  case numberTooLong
  case numberOutOfRange
  case controlCharacter
  case escape
  case surrogate
  case utf8
  case stringTooLong
  case tooDeep
  case tooManyValues
}
