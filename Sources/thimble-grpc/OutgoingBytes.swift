import GRPC

/// What is to be sent, in pieces that stay where they are.
struct OutgoingBytes {
  private struct Piece {
    let memory: MessageMemory
    var range: Range<Int>
  }

  private var pieces: [Piece] = []
  private var first = 0
  private(set) var byteCount = 0

  var isEmpty: Bool { byteCount == 0 }

  mutating func append(_ memory: MessageMemory, _ range: Range<Int>) {
    guard !range.isEmpty else { return }
    pieces.append(Piece(memory: memory, range: range))
    byteCount += range.count
  }

  /// False where there is no room for a copy.
  mutating func append(_ bytes: [UInt8], _ ledger: MessageLedger) -> Bool {
    guard let memory = MessageMemory(copying: bytes, ledger: ledger) else { return false }
    append(memory, 0..<bytes.count)
    return true
  }

  /// Parts of a message whose bytes stand in `original`. False where there is no room.
  mutating func append(_ parts: [MessagePart], original: MessageMemory, _ ledger: MessageLedger) -> Bool {
    for part in parts {
      switch part {
      case .bytes(let bytes): guard append(bytes, ledger) else { return false }
      case .original(let range): append(original, range.clamped(to: 0..<original.filledByteCount))
      }
    }
    return true
  }

  /// The next pieces, for one system call.
  var next: [UnsafeRawBufferPointer] {
    pieces[first...].prefix(16).map { UnsafeRawBufferPointer(rebasing: $0.memory.filled[$0.range]) }
  }

  mutating func drop(_ count: Int) {
    var left = min(count, byteCount)
    byteCount -= left
    while left > 0 {
      let taken = min(left, pieces[first].range.count)
      pieces[first].range.removeFirst(taken)
      left -= taken
      if pieces[first].range.isEmpty { first += 1 }
    }
    if byteCount == 0 { (pieces, first) = ([], 0) }
  }

  /// Moves as much as fits; returns how many bytes.
  mutating func take(into destination: UnsafeMutableRawBufferPointer) -> Int {
    var done = 0
    for piece in pieces[first...] where done < destination.count {
      let count = min(piece.range.count, destination.count - done)
      let source = piece.memory.filled[piece.range.lowerBound..<piece.range.lowerBound + count]
      UnsafeMutableRawBufferPointer(rebasing: destination[done...]).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: source))
      done += count
    }
    drop(done)
    return done
  }
}
