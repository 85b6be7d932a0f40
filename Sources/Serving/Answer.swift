import Memory
import Protocols

/// What is sent back: status, headers, body, and whatever memory the body stands in.
final class Answer: @unchecked Sendable {
  let status: HTTPStatus
  let contentType: String?
  let body: EncodedInference
  var retryAfterSeconds: Int?
  var allow: String?
  /// What the body's tensors point into.
  let tensors: Buffer?
  /// The same where they are kept for other requests too.
  private let kept: ResponseCache.Entry?
  /// The reservation of the body's own bytes.
  private let held: HeldMemory?

  init(
    _ status: HTTPStatus, contentType: String? = HTTPResponseHead.json, body: EncodedInference,
    tensors: Buffer? = nil, kept: ResponseCache.Entry? = nil, held: HeldMemory? = nil
  ) {
    self.status = status
    self.contentType = contentType
    self.body = body
    self.tensors = tensors
    self.kept = kept
    self.held = held
  }

  convenience init(
    _ status: HTTPStatus = .ok, contentType: String? = HTTPResponseHead.json, bytes: [UInt8],
    held: HeldMemory? = nil
  ) {
    self.init(status, contentType: contentType, body: EncodedInference(json: bytes), held: held)
  }

  /// An answer of status 200 without a body, as to a load.
  static var empty: Answer { Answer(.ok, contentType: nil, bytes: []) }

  /// `{"error":…}`, with the numbers where the memory budget refuses.
  convenience init(_ error: ServingError) {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("error", error.message)
    if let numbers = error.memoryNumbers {
      writer.member("needed_bytes", numbers.needed)
      writer.member("available_bytes", numbers.available)
      writer.member("least_memory_budget_bytes", numbers.leastBudget)
    }
    if case .modelMemory(let refusal) = error { refusal.writeMembers(to: &writer) }
    writer.endObject()
    self.init(error.status, bytes: writer.bytes)
    retryAfterSeconds = error.retryAfterSeconds
    if case .methodNotAllowed(let methods) = error { allow = methods }
  }

  func headBytes(keepsAlive: Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(256)
    HTTPResponseHead(
      status: status, contentLength: body.byteCount, contentType: contentType, keepsAlive: keepsAlive,
      retryAfterSeconds: retryAfterSeconds, inferenceHeaderContentLength: body.headerContentLength, allow: allow
    ).write(to: &bytes)
    return bytes
  }
}
