import Protocols
import System

/// An answer on its way out: remembers how far the socket has taken it.
struct OutgoingAnswer {
  private let body: EncodedInference
  /// Kept until it is sent.
  private let answer: Answer?
  private let head: [UInt8]
  private let tail: [UInt8]
  private let leavesBodyOut: Bool
  private var sentByteCount = 0
  private let byteCount: Int

  /// `leavesBodyOut`: the answer to a HEAD.
  init(_ answer: Answer, keepsAlive: Bool, leavesBodyOut: Bool) {
    self.answer = answer
    body = answer.body
    tail = []
    self.leavesBodyOut = leavesBodyOut
    head = answer.headBytes(keepsAlive: keepsAlive)
    byteCount = head.count + (leavesBodyOut ? 0 : answer.body.byteCount)
  }

  /// A server-sent event, or nothing; where it begins the answer with the head before it, and where it ends it with its end.
  init(event answer: Answer?, isChunked: Bool, begins: Bool, ends: Bool, keepsAlive: Bool) {
    self.answer = answer
    leavesBodyOut = false
    body = answer?.body ?? EncodedInference()
    var head: [UInt8] = []
    var tail: [UInt8] = []
    if begins { HTTPResponseHead.writeStream(isChunked: isChunked, keepsAlive: keepsAlive, to: &head) }
    if answer != nil {
      let count =
        body.byteCount + OutgoingAnswer.eventStart.utf8CodeUnitCount + OutgoingAnswer.eventEnd.utf8CodeUnitCount
      if isChunked { head += "\(String(count, radix: 16))\r\n".utf8 }
      OutgoingAnswer.append(OutgoingAnswer.eventStart, to: &head)
      OutgoingAnswer.append(OutgoingAnswer.eventEnd, to: &tail)
      if isChunked { tail += "\r\n".utf8 }
    }
    if ends, isChunked { tail += "0\r\n\r\n".utf8 }
    (self.head, self.tail) = (head, tail)
    byteCount = head.count + body.byteCount + tail.count
  }

  private static let eventStart: StaticString = "data: "
  private static let eventEnd: StaticString = "\n\n"

  private static func append(_ text: StaticString, to bytes: inout [UInt8]) {
    bytes += UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
  }

  var isComplete: Bool { sentByteCount == byteCount }

  /// Sends what the socket takes at once. Returns the bytes that it took.
  mutating func send(to socket: borrowing Socket) throws(SystemError) -> Int {
    let count = try sendPieces(to: socket) ?? 0
    sentByteCount += count
    return count
  }

  private func sendPieces(to socket: borrowing Socket) throws(SystemError) -> Int? {
    try head.withUnsafeBufferPointer { (head) throws(SystemError) -> Int? in
      try body.json.withUnsafeBufferPointer { (json) throws(SystemError) -> Int? in
        var pieces = Pieces(skipping: sentByteCount)
        pieces.append(UnsafeRawBufferPointer(head))
        if !leavesBodyOut {
          pieces.append(UnsafeRawBufferPointer(json))
          for part in body.parts {
            switch part {
            case .tensor(let bytes): pieces.append(bytes)
            case .bytes(let bytes):
              // An array's bytes have an address only inside a closure: they go alone.
              guard pieces.isWanted(bytes.count) else { continue }
              if !pieces.list.isEmpty { return try socket.send(pieces.list) }
              return try bytes.withUnsafeBufferPointer { (bytes) throws(SystemError) -> Int? in
                pieces.append(UnsafeRawBufferPointer(bytes))
                return try socket.send(pieces.list)
              }
            }
          }
        }
        guard !tail.isEmpty else { return try socket.send(pieces.list) }
        return try tail.withUnsafeBufferPointer { (tail) throws(SystemError) -> Int? in
          pieces.append(UnsafeRawBufferPointer(tail))
          return try socket.send(pieces.list)
        }
      }
    }
  }

  /// The pieces behind a number of bytes that have been sent.
  private struct Pieces {
    private(set) var list: [UnsafeRawBufferPointer] = []
    private var skip: Int

    init(skipping count: Int) {
      skip = count
      list.reserveCapacity(4)
    }

    /// Whether a piece of so many bytes is not yet sent; passes it if it is.
    mutating func isWanted(_ count: Int) -> Bool {
      if skip < count { return true }
      skip -= count
      return false
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
      guard isWanted(bytes.count) else { return }
      list.append(UnsafeRawBufferPointer(rebasing: bytes[skip...]))
      skip = 0
    }
  }
}
