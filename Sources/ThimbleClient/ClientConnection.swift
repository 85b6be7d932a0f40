import Protocols
import System

/// A connection to the daemon that carries one exchange after another.
struct ClientConnection: ~Copyable {
  private let socket: Socket
  private var received: [UInt8] = []

  /// An answer, whole.
  struct Reply {
    var head: HTTPClientResponseHead
    var body: [UInt8]
  }

  /// Why an exchange broke off.
  enum Failure: Error {
    /// Before the first byte of an answer: a kept connection that the daemon has closed meanwhile looks so.
    case noAnswer(SystemError)
    case broken(SystemError)
    case malformed(ProtocolError)
  }

  /// Bytes of one answer at most: what a daemon of the default limits can send for the largest request, and more.
  private static let limits = HTTPLimits(bodyBytesMax: 1 << 30)
  private static let receiveBytes = 64 << 10

  init(path: String, timeoutMilliseconds: Int32) throws(SystemError) {
    do throws(SystemError) {
      socket = try Socket(connectingTo: path, timeoutMilliseconds: timeoutMilliseconds)
    } catch {
      throw error.code == SystemError.wouldBlock ? SystemError("connect to", path, code: SystemError.timedOut) : error
    }
  }

  /// `memory`: whose descriptor goes along.
  mutating func exchange(
    _ head: HTTPClientRequestHead, body: [UnsafeRawBufferPointer], passing memory: SharedMemory? = nil
  ) throws(Failure) -> Reply {
    var bytes: [UInt8] = []
    head.write(to: &bytes)
    let sending = send(bytes, body, memory)
    // A daemon that refuses a request in its middle answers before it closes: look for the answer in any case.
    do throws(Failure) {
      return try receive(answersHead: head.method == .head)
    } catch {
      if case .noAnswer = error, let sending { throw .noAnswer(sending) }
      throw error
    }
  }

  private func send(_ head: [UInt8], _ body: [UnsafeRawBufferPointer], _ memory: SharedMemory?) -> SystemError? {
    var memory = memory
    do throws(SystemError) {
      try head.withUnsafeBufferPointer { (head) throws(SystemError) in
        var pieces = [UnsafeRawBufferPointer(head)] + body
        while !pieces.isEmpty {
          let sent: Int?
          if let passed = memory {
            sent = try socket.send(pieces, passing: passed.file)
          } else {
            sent = try socket.send(pieces)
          }
          guard var count = sent else { throw SystemError("send", code: SystemError.timedOut) }
          memory = nil
          while let first = pieces.first, count >= first.count {
            count -= first.count
            pieces.removeFirst()
          }
          if count > 0 { pieces[0] = UnsafeRawBufferPointer(rebasing: pieces[0][count...]) }
        }
      }
      return nil
    } catch {
      return error
    }
  }

  // MARK: Receiving

  private mutating func receive(answersHead: Bool) throws(Failure) -> Reply {
    var parser = HTTPResponseParser(limits: ClientConnection.limits)
    while true {
      let progress = try parse(&parser, answersHead)
      guard case .head(let head, let consumed) = progress else {
        guard try receiveMore() else {
          let end = SystemError("receive", code: 104 /* ECONNRESET */)
          throw received.isEmpty ? .noAnswer(end) : .broken(end)
        }
        continue
      }
      received.removeFirst(consumed)
      if !head.isInterim { return Reply(head: head, body: try receiveBody(head)) }
    }
  }

  private func parse(
    _ parser: inout HTTPResponseParser, _ answersHead: Bool
  ) throws(Failure) -> HTTPResponseParser.Progress {
    do throws(ProtocolError) {
      return try received.withUnsafeBufferPointer { (bytes) throws(ProtocolError) in
        try parser.parse(UnsafeRawBufferPointer(bytes), answersHead: answersHead)
      }
    } catch {
      throw .malformed(error)
    }
  }

  private mutating func receiveBody(_ head: HTTPClientResponseHead) throws(Failure) -> [UInt8] {
    var body: [UInt8] = []
    var decoder: HTTPBodyDecoder
    do { decoder = try HTTPBodyDecoder(head.body, limits: ClientConnection.limits) } catch { throw .malformed(error) }
    // A promise is cheap: more room than this is made as bytes come.
    body.reserveCapacity(min(decoder.directBytes, 1 << 20))
    while !decoder.isComplete {
      let event: HTTPBodyDecoder.Event
      do throws(ProtocolError) {
        event = try received.withUnsafeBufferPointer { (bytes) throws(ProtocolError) in
          try decoder.next(UnsafeRawBufferPointer(bytes))
        }
      } catch {
        throw .malformed(error)
      }
      switch event {
      case .end(let consumed): received.removeFirst(consumed)
      case .payload(let range, let consumed):
        body.append(contentsOf: received[range])
        received.removeFirst(consumed)
      case .needMore(let consumed):
        received.removeFirst(consumed)
        if try receiveMore() { continue }
        if head.body == .untilClose { return body }
        throw .broken(SystemError("receive", code: 104 /* ECONNRESET */))
      }
    }
    return body
  }

  /// Returns false at the daemon's end.
  private mutating func receiveMore() throws(Failure) -> Bool {
    let start = received.count
    received.append(contentsOf: repeatElement(0, count: ClientConnection.receiveBytes))
    do throws(SystemError) {
      let count = try received.withUnsafeMutableBufferPointer { (buffer) throws(SystemError) -> Int? in
        try socket.receive(
          into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[start...]))
      }
      guard let count else { throw SystemError("receive", code: SystemError.timedOut) }
      received.removeLast(ClientConnection.receiveBytes - count)
      return count > 0
    } catch {
      received.removeLast(ClientConnection.receiveBytes)
      throw received.isEmpty ? .noAnswer(error) : .broken(error)
    }
  }
}
