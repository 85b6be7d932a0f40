import Protocols
import System

/// An answer on its way out: remembers how far the socket has taken it.
struct OutgoingAnswer {
  private let answer: Answer
  private let head: [UInt8]
  private let leavesBodyOut: Bool
  private var sentByteCount = 0
  private let byteCount: Int

  /// `leavesBodyOut`: the answer to a HEAD.
  init(_ answer: Answer, keepsAlive: Bool, leavesBodyOut: Bool) {
    self.answer = answer
    self.leavesBodyOut = leavesBodyOut
    head = answer.headBytes(keepsAlive: keepsAlive)
    byteCount = head.count + (leavesBodyOut ? 0 : answer.body.byteCount)
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
      try answer.body.json.withUnsafeBufferPointer { (json) throws(SystemError) -> Int? in
        var pieces = Pieces(skipping: sentByteCount)
        pieces.append(UnsafeRawBufferPointer(head))
        if !leavesBodyOut {
          pieces.append(UnsafeRawBufferPointer(json))
          for part in answer.body.parts {
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
        return try socket.send(pieces.list)
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
