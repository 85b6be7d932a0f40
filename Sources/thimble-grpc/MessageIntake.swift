import GRPC

/// Puts messages together from the bytes of a stream: each is its prefix, a flag and its length, and as many bytes.
struct MessageIntake {
  private var prefix: [UInt8] = []
  private var message: MessageMemory?

  /// Whether a message has begun to come.
  var isAmidst: Bool { !prefix.isEmpty || message != nil }

  /// Takes bytes up to the end of a message, which is returned with how many they were. Errors: it is compressed, too long, or there
  /// is no room.
  mutating func take(
    _ bytes: UnsafeRawBufferPointer, limitByteCount: Int, ledger: MessageLedger
  ) throws(CallError) -> (message: MessageMemory?, count: Int) {
    var count = 0
    if message == nil {
      while count < bytes.count, prefix.count < CallLimits.prefixBytes {
        prefix.append(bytes[count])
        count += 1
      }
      guard prefix.count == CallLimits.prefixBytes else { return (nil, count) }
      guard prefix[0] == 0 else {
        throw .init(.unimplemented, "messages are taken only as they are: send them uncompressed")
      }
      let length = prefix[1...].reduce(0) { $0 << 8 | Int($1) }
      guard length <= limitByteCount else {
        throw .init(.resourceExhausted, "the message has \(length) bytes; \(limitByteCount) are the most")
      }
      guard let memory = MessageMemory(byteCount: length, ledger: ledger) else { throw .noRoom }
      message = memory
      prefix.removeAll(keepingCapacity: true)
    }
    guard let message else { return (nil, count) }
    count += message.append(UnsafeRawBufferPointer(rebasing: bytes[count...]))
    guard message.isFull else { return (nil, count) }
    self.message = nil
    return (message, count)
  }

  mutating func drop() { (prefix, message) = ([], nil) }
}

extension CallError {
  static var noRoom: CallError { .init(.resourceExhausted, "there is no room for more messages now: try again later") }
}
