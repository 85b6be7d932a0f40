import GRPC
import Protocols
import System

/// A connection to the daemon, which carries one exchange after another.
final class DaemonConnection {
  enum Progress {
    case needMore
    /// An event of an answer in parts.
    case event([UInt8])
    case complete
    case failed(CallError)
    /// The daemon has hung up.
    case closed
  }

  let token: UInt64
  private let socket: Socket
  private(set) var exchange: Exchange?
  private(set) var outgoing = OutgoingBytes()
  private var parser = HTTPResponseParser()
  /// Received and not looked at; at most one head, or a piece of an answer in parts.
  private var received: [UInt8] = []
  private(set) var head: HTTPClientResponseHead?
  private var decoder: HTTPBodyDecoder?
  private(set) var body: MessageMemory?
  private var event: [UInt8] = []
  private let ledger: MessageLedger
  /// Whether this is not its first exchange.
  private(set) var isReused = false
  /// Whether anything of an answer has come.
  private(set) var hasHeard = false
  var interest: EventPoll.Interest = .readable
  private(set) var idleSinceNanoseconds = Clock.nowNanoseconds

  static let receiveByteCount = 16 << 10
  static let eventByteCountMax = 16 << 20

  init(path: String, token: UInt64, ledger: MessageLedger) throws(SystemError) {
    socket = try Socket(connectingAtOnceTo: path)
    self.token = token
    self.ledger = ledger
  }

  var descriptor: Int32 { socket.descriptor }

  func begin(_ exchange: Exchange) {
    self.exchange = exchange
    outgoing = exchange.bytes
    hasHeard = false
  }

  /// After a whole answer. Whether the connection may be used again.
  func end() -> Bool {
    let isUsable = head?.keepsAlive == true && outgoing.isEmpty && received.isEmpty
    (exchange, head, decoder, body, event) = (nil, nil, nil, nil, [])
    isReused = true
    idleSinceNanoseconds = Clock.nowNanoseconds
    return isUsable
  }

  /// Sends on. Errors: the daemon has hung up, or may have; an answer may be there all the same.
  func send() throws(SystemError) {
    while !outgoing.isEmpty {
      guard let count = try socket.send(outgoing.next) else { return }
      outgoing.drop(count)
    }
  }

  /// Receives as long as something is there, up to the next event or the answer's end.
  func receive(_ space: UnsafeMutableRawBufferPointer) -> Progress {
    while true {
      do throws(CallError) {
        if let progress = try take() { return progress }
      } catch {
        return .failed(error)
      }
      do throws(SystemError) {
        if let body, let direct = decoder?.directBytes, direct > 0, received.isEmpty, !body.isFull {
          let room = UnsafeMutableRawBufferPointer(rebasing: body.space.prefix(direct))
          guard let count = try socket.receive(into: room) else { return .needMore }
          guard count > 0 else { return .closed }
          body.fill(count)
          decoder?.advance(directBytes: count)
          continue
        }
        guard let count = try socket.receive(into: space) else { return .needMore }
        guard count > 0 else { return .closed }
        hasHeard = true
        received.append(contentsOf: UnsafeRawBufferPointer(rebasing: space[..<count]))
      } catch {
        return .closed
      }
    }
  }

  /// What the bytes that are there amount to; nil: more are needed.
  private func take() throws(CallError) -> Progress? {
    guard exchange != nil else { return received.isEmpty ? nil : .closed }
    if head == nil { try takeHead() }
    while var decoder {
      if let event = takeEvent() { return .event(event) }
      if decoder.isComplete { return .complete }
      guard !received.isEmpty else { return nil }
      let consumed = try takeBody(&decoder)
      self.decoder = decoder
      received.removeFirst(consumed)
    }
    return nil
  }

  private func takeHead() throws(CallError) {
    do throws(ProtocolError) {
      let parsed = try received.withUnsafeBufferPointer { (bytes) throws(ProtocolError) in
        try parser.parse(UnsafeRawBufferPointer(bytes))
      }
      guard case .head(let head, let consumed) = parsed else { return }
      received.removeFirst(consumed)
      guard !head.isInterim else { return }
      self.head = head
      decoder = try HTTPBodyDecoder(head.body, limits: HTTPLimits(bodyBytesMax: Int.max))
    } catch {
      throw .badDaemon
    }
    if case .bytes(let count)? = head?.body {
      guard let memory = MessageMemory(byteCount: count, ledger: ledger) else { throw .noRoom }
      body = memory
    }
  }

  private func takeBody(_ decoder: inout HTTPBodyDecoder) throws(CallError) -> Int {
    let next: HTTPBodyDecoder.Event
    do throws(ProtocolError) {
      next = try received.withUnsafeBufferPointer { (bytes) throws(ProtocolError) in
        try decoder.next(UnsafeRawBufferPointer(bytes))
      }
    } catch {
      throw .badDaemon
    }
    switch next {
    case .needMore(let consumed), .end(let consumed): return consumed
    case .payload(let range, let consumed):
      if let body {
        received.withUnsafeBytes { _ = body.append(UnsafeRawBufferPointer(rebasing: $0[range])) }
      } else {
        guard event.count + range.count <= DaemonConnection.eventByteCountMax else { throw .noRoom }
        event += received[range]
      }
      return consumed
    }
  }

  /// `data: …` up to the end of its line; other lines are between events.
  private func takeEvent() -> [UInt8]? {
    guard body == nil else { return nil }
    while let end = event.firstIndex(of: UInt8(ascii: "\n")) {
      let line = event[..<end]
      let data = line.starts(with: "data: ".utf8) ? Array(line.dropFirst(6)) : nil
      event.removeFirst(end + 1)
      if let data { return data }
    }
    return nil
  }

  /// The answer's bytes where it was not one of events.
  var answer: UnsafeRawBufferPointer {
    if let body { return body.filled }
    return UnsafeRawBufferPointer(start: nil, count: 0)
  }
}

extension CallError {
  static var badDaemon: CallError {
    .init(.internal, "the daemon's answer is not understood: is it thimble that listens there?")
  }
}
