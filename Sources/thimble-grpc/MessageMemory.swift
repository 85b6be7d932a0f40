/// Bytes of messages that are in memory at once, and how many there may be. What comes in and what goes out count alike.
final class MessageLedger {
  let limitByteCount: Int
  private(set) var heldByteCount = 0

  /// What is so short is not counted: names, heads, answers without tensors.
  static let uncountedByteCount = 4 << 10

  init(limitByteCount: Int) { self.limitByteCount = limitByteCount }

  var availableByteCount: Int { limitByteCount - heldByteCount }

  fileprivate func take(_ byteCount: Int) -> Bool {
    guard byteCount <= availableByteCount else { return false }
    heldByteCount += byteCount
    return true
  }

  fileprivate func giveBack(_ byteCount: Int) { heldByteCount -= byteCount }
}

/// Memory of one message, or of a part that is sent.
final class MessageMemory {
  let bytes: UnsafeMutableRawBufferPointer
  /// Bytes from the start that mean something.
  private(set) var filledByteCount = 0
  private let ledger: MessageLedger
  private let countedByteCount: Int

  /// Nil where there is no room for it.
  init?(byteCount: Int, ledger: MessageLedger) {
    countedByteCount = byteCount > MessageLedger.uncountedByteCount ? byteCount : 0
    self.ledger = ledger
    guard ledger.take(countedByteCount) else { return nil }
    bytes = .allocate(byteCount: byteCount, alignment: 16)
  }

  convenience init?(copying source: [UInt8], ledger: MessageLedger) {
    self.init(byteCount: source.count, ledger: ledger)
    source.withUnsafeBytes { _ = append($0) }
  }

  deinit {
    bytes.deallocate()
    ledger.giveBack(countedByteCount)
  }

  var isFull: Bool { filledByteCount == bytes.count }
  var filled: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[..<filledByteCount]) }
  var space: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: bytes[filledByteCount...]) }

  /// Takes as many of the bytes as there is room for; returns how many.
  @discardableResult
  func append(_ source: UnsafeRawBufferPointer) -> Int {
    let count = min(source.count, bytes.count - filledByteCount)
    if count > 0 { space.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<count])) }
    filledByteCount += count
    return count
  }

  /// Says that so many bytes were put into `space`.
  func fill(_ count: Int) { filledByteCount += min(max(count, 0), bytes.count - filledByteCount) }
}
