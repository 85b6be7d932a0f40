import Protocols

/// A part of a message that goes on: bytes of its own, or some of the message that was read.
public enum MessagePart: Equatable, Sendable {
  case bytes([UInt8])
  case original(Range<Int>)

  public var count: Int {
    switch self {
    case .bytes(let bytes): bytes.count
    case .original(let range): range.count
    }
  }
}

/// A call as the daemon takes it over HTTP.
public struct HTTPCall: Equatable, Sendable {
  public var method: HTTPMethod
  public var path: [String]
  /// The body; parts of the call's message go on without a copy.
  public var body: [MessagePart] = []
  /// Bytes of JSON before raw tensors.
  public var headerContentLength: Int?
  /// Of an inference: what its answer repeats.
  public var inference: Inference?

  /// What an inference's answer needs of its request.
  public struct Inference: Equatable, Sendable {
    public var id: String
    /// The daemon answers with an event for each step.
    public var isGeneration: Bool
    /// A stream's client wants to be told which answer to a request is the last.
    public var marksLast: Bool
  }

  init(_ method: HTTPMethod, _ path: [String]) {
    self.method = method
    self.path = path
  }

  public var bodyByteCount: Int { body.reduce(0) { $0 + $1.count } }

  static func model(_ name: String, _ version: String, _ verb: String?) throws(CallError) -> [String] {
    guard !name.isEmpty else { throw .init(.invalidArgument, "the request names no model") }
    var path = ["v2", "models", name]
    if !version.isEmpty { path += ["versions", version] }
    if let verb { path.append(verb) }
    return path
  }
}
