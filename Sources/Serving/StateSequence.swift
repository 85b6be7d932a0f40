import Memory
import Runtime

/// What a model carries on from one run to the next for one client.
final class StateSequence: @unchecked Sendable {
  let layout: SequenceLayout
  /// Two halves: what the next run starts from, and where the one under way leaves what it made.
  private let buffer: Buffer
  private var usesSecondHalf = false
  /// Whether no run has left anything.
  private(set) var isFresh = true

  init(_ layout: SequenceLayout, budget: MemoryBudget) throws(MemoryError) {
    self.layout = layout
    buffer = try Buffer(byteCount: max(1, 2 * layout.byteCount), budget: budget, for: .sequences)
  }

  var byteCount: Int { buffer.bytes.count }

  private func bytes(_ range: Range<Int>, isNext: Bool) -> UnsafeMutableRawBufferPointer {
    let start = usesSecondHalf != isNext ? layout.byteCount : 0
    let place = (start + range.lowerBound)..<(start + range.upperBound)
    return UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[place])
  }

  // MARK: The worker's

  /// Starts anew.
  func reset() { isFresh = true }

  /// Before a run: writes the states. `feedsBack`: a step of a generation, of which the first has its other inputs from the request.
  func write(to session: Session, feedsBack: Bool) {
    for pair in layout.states {
      session.writeInput(pair.input) {
        if isFresh {
          for index in $0.indices { $0[index] = pair.zero }
        } else {
          $0.copyMemory(from: UnsafeRawBufferPointer(bytes(pair.range, isNext: false)))
        }
      }
    }
    guard feedsBack, !isFresh else { return }
    for pair in layout.feedback {
      session.writeInput(pair.input) { $0.copyMemory(from: UnsafeRawBufferPointer(bytes(pair.range, isNext: false))) }
    }
  }

  /// After a run: takes what it made. The next one starts from it once `commit` is called.
  func read(from session: Session, feedsBack: Bool) {
    for pair in layout.states { session.readOutput(pair.output, into: bytes(pair.range, isNext: true)) }
    guard feedsBack else { return }
    for pair in layout.feedback { session.readOutput(pair.output, into: bytes(pair.range, isNext: true)) }
  }

  func commit() {
    usesSecondHalf.toggle()
    isFresh = false
  }
}
