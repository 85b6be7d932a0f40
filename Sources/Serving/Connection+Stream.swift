import Memory
import Protocols
import System

/// Requests that come one after the other in one body, and answers in parts.
extension Connection {
  /// Prepares for a body of items: it may be of any length, an item may not.
  func beginItems(_ stream: EventStream) throws(ServingError) {
    self.stream = stream
    _ = try beginBody(bytesMax: Int.max)
  }

  /// Takes bytes of the body up to the end of an item. Complete: an item is there, or the body's end with an empty one.
  func takeItem(_ form: EventStream.ItemForm, bytesMax: Int) -> Progress {
    do throws(ProtocolError) {
      while var decoder, !decoder.isComplete {
        let direct = decoder.directBytes
        guard direct > 0 else {
          // Framing: byte by byte, since an item may end within the payload behind it.
          guard !received.isEmpty else { return .needMore }
          let event = try decoder.next(UnsafeRawBufferPointer(rebasing: received.unread[..<1]))
          self.decoder = decoder
          switch event {
          case .needMore(let consumed), .end(let consumed), .payload(_, let consumed): received.consume(consumed)
          }
          continue
        }
        guard !received.isEmpty else { return .needMore }
        let there = UnsafeRawBufferPointer(rebasing: received.unread[..<min(direct, received.unread.count)])
        let (count, isWhole) = take(there, form)
        guard (body?.count ?? 0) + count <= bytesMax else { throw .bodyTooLarge(limitBytes: bytesMax) }
        do throws(MemoryError) {
          try body?.append(UnsafeRawBufferPointer(rebasing: there[..<count]))
        } catch {
          return .failed(.memory(error))
        }
        let skipped = isWhole && form.isLines ? 1 : 0  // the line's end
        decoder.advance(directBytes: count + skipped)
        self.decoder = decoder
        received.consume(count + skipped)
        if isWhole, body?.count ?? 0 > 0 { return .complete }
      }
      if case .tensors(let byteCount) = form, let count = body?.count, count > 0 {
        throw .byteCountMismatch(tensor: "the last item", expected: byteCount, actual: count)
      }
      return .complete
    } catch {
      return .failed(.malformed(error))
    }
  }

  /// How many of the bytes belong to the item, and whether it ends there.
  private func take(_ bytes: UnsafeRawBufferPointer, _ form: EventStream.ItemForm) -> (count: Int, isWhole: Bool) {
    switch form {
    case .lines:
      guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return (bytes.count, false) }
      return (end, true)
    case .tensors(let byteCount):
      let missing = max(0, byteCount - (body?.count ?? 0))
      return missing <= bytes.count ? (missing, true) : (bytes.count, false)
    }
  }

  /// Sends a result as an event, or nothing more than the end.
  func sendEvent(_ answer: Answer?, _ stream: EventStream) {
    let isFirst = !stream.hasBegun
    stream.hasBegun = true
    let isHTTP11 = head?.version == .http11
    let keepsAlive = isHTTP11 && hasWholeBody && head?.keepsAlive == true
    let outgoing = OutgoingAnswer(
      event: answer, isChunked: isHTTP11, begins: isFirst, ends: stream.isOver, keepsAlive: head?.keepsAlive == true)
    startSending(answer, outgoing, closes: !keepsAlive, lingers: stream.isOver && !hasWholeBody)
  }
}

extension EventStream.ItemForm {
  var isLines: Bool {
    if case .lines = self { true } else { false }
  }
}
