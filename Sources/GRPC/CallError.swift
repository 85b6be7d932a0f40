import Protocols

/// Codes that end a call.
public enum CallStatus: Int, Sendable {
  case ok = 0
  case cancelled = 1
  case invalidArgument = 3
  case deadlineExceeded = 4
  case notFound = 5
  case permissionDenied = 7
  case resourceExhausted = 8
  case unimplemented = 12
  case `internal` = 13
  case unavailable = 14

  /// What an answer of HTTP means.
  public init(httpStatus: Int) {
    switch httpStatus {
    case 200: self = .ok
    case 400, 415: self = .invalidArgument
    case 403: self = .permissionDenied
    case 404: self = .notFound
    case 405, 501: self = .unimplemented
    case 408: self = .deadlineExceeded
    case 413, 429, 431, 507: self = .resourceExhausted
    case 503: self = .unavailable
    default: self = .internal
    }
  }
}

/// Why a call failed: its code, and what is wrong and what to do.
public struct CallError: Error, Equatable, Sendable {
  public let status: CallStatus
  public let message: String

  public init(_ status: CallStatus, _ message: String) {
    self.status = status
    self.message = message
  }

  /// The message is no protobuf, or not the one that the call takes.
  public static var malformed: CallError {
    .init(.invalidArgument, "the message is malformed: it is not the one that this call takes")
  }

  /// The daemon's answer was not understood.
  static var unexpectedAnswer: CallError {
    .init(.internal, "the daemon's answer is not understood: are both of one version?")
  }

  /// The error that the daemon answered.
  public init(httpStatus: Int, body: UnsafeRawBufferPointer) {
    let text = (try? JSON(parsing: body))?["error"]?.string ?? ""
    self.init(
      CallStatus(httpStatus: httpStatus), text.isEmpty ? "the daemon answered with HTTP status \(httpStatus)" : text)
  }

  /// The message as a header carries it: all but printable ASCII escaped, and the percent sign.
  public var headerText: [UInt8] {
    var bytes: [UInt8] = []
    for byte in message.utf8.prefix(CallError.messageBytesMax) {
      if byte >= 0x20, byte < 0x7F, byte != UInt8(ascii: "%") {
        bytes.append(byte)
      } else {
        let digits: StaticString = "0123456789ABCDEF"
        bytes += [UInt8(ascii: "%"), digits.utf8Start[Int(byte >> 4)], digits.utf8Start[Int(byte & 15)]]
      }
    }
    return bytes
  }

  /// Clients take 8 KiB of headers; an escape takes three bytes.
  static let messageBytesMax = 2 << 10
}
