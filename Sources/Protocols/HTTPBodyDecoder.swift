/// Takes the framing off a message's body, without copying and without a buffer of its own.
///
/// ```
/// while true {
///   switch try decoder.next(received) {              // what was received and not yet consumed
///   case .needMore(let consumed): …                  // drop `consumed` bytes, receive more
///   case .payload(let range, let consumed): …        // keep received[range], drop `consumed` bytes, go on
///   case .end(let consumed): …                       // the body is complete; the rest is the next message
///   }
/// }
/// ```
/// While `directBytes` is not 0 the server may instead receive up to so many bytes straight into the body's memory and
/// report them with `advance(directBytes:)`.
public struct HTTPBodyDecoder {
  public enum Event: Equatable, Sendable {
    /// All of the bytes were framing.
    case needMore(consumed: Int)
    /// Bytes of the body stand at `range`, which ends at `consumed`. Never empty.
    case payload(Range<Int>, consumed: Int)
    case end(consumed: Int)
  }

  private enum State: Equatable {
    /// Payload that stands before the next framing, in bytes.
    case payload(Int)
    case untilClose
    case chunkSize(value: Int, digits: Int)
    case chunkExtension
    case chunkSizeLineFeed(Int)
    case chunkEnd, chunkEndLineFeed
    case trailerLine(isEmpty: Bool), trailerLineFeed(isEmpty: Bool)
    case done
  }

  private var state: State
  private let isChunked: Bool
  private let limits: HTTPLimits
  /// Bytes of the body announced so far.
  private var bodyBytes = 0
  /// Bytes of this chunk's extension or of the trailer, which nobody wants but everybody must bound.
  private var ignoredBytes = 0
  private var chunkSize = 0
  /// Bytes of framing and payload before the ones given now, for error offsets.
  private var consumedBytes = 0

  /// Errors: a Content-Length over the limit. Refuse with 413 before answering `Expect: 100-continue`.
  public init(_ length: HTTPBodyLength, limits: HTTPLimits = HTTPLimits()) throws(ProtocolError) {
    self.limits = limits
    isChunked = length == .chunked
    switch length {
    case .empty: state = .done
    case .bytes(let count):
      guard count <= limits.bodyBytesMax else { throw .bodyTooLarge(limitBytes: limits.bodyBytesMax) }
      state = count > 0 ? .payload(count) : .done
    case .chunked: state = .chunkSize(value: 0, digits: 0)
    case .untilClose: state = .untilClose
    }
  }

  public var isComplete: Bool { state == .done }

  /// Bytes of payload that must come next, whatever follows; 0 where framing comes next.
  public var directBytes: Int {
    if case .payload(let count) = state { count } else { 0 }
  }

  /// Says that payload was received without `next`. Precondition: at most `directBytes`; more is ignored.
  public mutating func advance(directBytes count: Int) {
    guard case .payload(let left) = state else { return }
    let taken = min(max(count, 0), left)
    consumedBytes += taken
    finishPayload(left - taken)
  }

  /// What comes next in the bytes received and not yet consumed. Errors: malformed chunks, a body over the limit.
  public mutating func next(_ received: UnsafeRawBufferPointer) throws(ProtocolError) -> Event {
    var index = 0
    while state != .done, index < received.count {
      switch state {
      case .payload(let left):
        let end = index + min(left, received.count - index)
        consumedBytes += end - index
        finishPayload(left - (end - index))
        return .payload(index..<end, consumed: end)
      case .untilClose:
        try announce(received.count - index)
        consumedBytes += received.count - index
        return .payload(index..<received.count, consumed: received.count)
      default:
        try takeFraming(received[index])
        index += 1
        consumedBytes += 1
      }
    }
    return state == .done ? .end(consumed: index) : .needMore(consumed: index)
  }

  private mutating func finishPayload(_ left: Int) {
    if left > 0 { state = .payload(left) } else { state = isChunked ? .chunkEnd : .done }
  }

  private mutating func announce(_ count: Int) throws(ProtocolError) {
    let (sum, overflow) = bodyBytes.addingReportingOverflow(count)
    guard !overflow, sum <= limits.bodyBytesMax else { throw .bodyTooLarge(limitBytes: limits.bodyBytesMax) }
    bodyBytes = sum
  }

  // MARK: Chunks

  /// One byte of `chunk-size [ext] CR LF`, of the CR LF after a chunk, or of the trailer (RFC 9112, section 7.1).
  private mutating func takeFraming(_ byte: UInt8) throws(ProtocolError) {
    switch state {
    case .chunkSize(let value, let digits): try takeSize(byte, value, digits)
    case .chunkExtension:
      if byte == Byte.carriageReturn {
        state = .chunkSizeLineFeed(chunkSize)
      } else {
        try ignore(byte, orThrow: .chunkSize)
      }
    case .chunkSizeLineFeed(let size):
      try expect(byte, Byte.lineFeed, orThrow: .chunkSize)
      ignoredBytes = 0
      try announce(size)
      state = size > 0 ? .payload(size) : .trailerLine(isEmpty: true)
    case .chunkEnd:
      try expect(byte, Byte.carriageReturn, orThrow: .chunkEnd)
      state = .chunkEndLineFeed
    case .chunkEndLineFeed:
      try expect(byte, Byte.lineFeed, orThrow: .chunkEnd)
      state = .chunkSize(value: 0, digits: 0)
    case .trailerLine(let isEmpty):
      if byte == Byte.carriageReturn {
        state = .trailerLineFeed(isEmpty: isEmpty)
      } else {
        try ignore(byte, orThrow: .trailer)
        state = .trailerLine(isEmpty: false)
      }
    case .trailerLineFeed(let isEmpty):
      try expect(byte, Byte.lineFeed, orThrow: .trailer)
      state = isEmpty ? .done : .trailerLine(isEmpty: true)
    case .payload, .untilClose, .done: break
    }
  }

  private mutating func takeSize(_ byte: UInt8, _ value: Int, _ digits: Int) throws(ProtocolError) {
    if let digit = Byte.hexValue(byte) {
      // Fifteen digits fit; a real size has at most eight.
      guard digits < 15 else { throw .http(.chunkSize, offset: consumedBytes) }
      state = .chunkSize(value: value << 4 | Int(digit), digits: digits + 1)
      return
    }
    guard digits > 0 else { throw .http(.chunkSize, offset: consumedBytes) }
    switch byte {
    case Byte.carriageReturn: state = .chunkSizeLineFeed(value)
    case Byte.semicolon, Byte.space, Byte.tab:
      chunkSize = value
      state = .chunkExtension
    default: throw .http(.chunkSize, offset: consumedBytes)
    }
  }

  /// Passes a byte that has no meaning here, up to the limit of a head.
  private mutating func ignore(_ byte: UInt8, orThrow fault: HTTPFault) throws(ProtocolError) {
    ignoredBytes += 1
    guard byte >= Byte.space || byte == Byte.tab, ignoredBytes <= limits.headBytesMax else {
      throw .http(fault, offset: consumedBytes)
    }
  }

  private func expect(_ byte: UInt8, _ expected: UInt8, orThrow fault: HTTPFault) throws(ProtocolError) {
    guard byte == expected else { throw .http(fault, offset: consumedBytes) }
  }
}
