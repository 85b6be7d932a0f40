/// Finds the end of a message's head in a growing buffer and looks at every byte once.
struct HTTPHeadScanner {
  private var scannedBytes = 0
  private var lineStart = 0
  /// Where the head's first line starts: empty lines before it are ignored (RFC 9112, section 2.2).
  private var headStart = 0

  /// The head's lines without the blank line, and the bytes to consume; nil while the head is incomplete.
  /// Errors: over `limitBytes`, a NUL, a CR or LF that is not part of CR LF.
  mutating func scan(
    _ received: UnsafeRawBufferPointer, limitBytes: Int
  ) throws(ProtocolError) -> (lines: Range<Int>, consumed: Int)? {
    let end = min(received.count, limitBytes)
    while scannedBytes < end {
      let index = scannedBytes
      let isAfterReturn = index > 0 && received[index - 1] == Byte.carriageReturn
      let byte = received[index]
      scannedBytes += 1
      guard byte != 0 else { throw .http(.nul, offset: index) }
      guard isAfterReturn == (byte == Byte.lineFeed) else { throw .http(.bareLineEnd, offset: index) }
      guard byte == Byte.lineFeed else { continue }
      if index - 1 == lineStart {
        if lineStart > headStart {
          let lines = headStart..<lineStart
          self = HTTPHeadScanner()
          return (lines, index + 1)
        }
        headStart = index + 1
      }
      lineStart = index + 1
    }
    guard received.count < limitBytes else { throw .headTooLarge(limitBytes: limitBytes) }
    return nil
  }
}
