import CSystem
import ModelFile
import System

/// The weights that pass through memory for every inference: raw tiles whose pages are let go after use, and compressed
/// tiles that threads decode into a ring ahead of their use, whenever they would otherwise wait.
///
/// Entries are used in order. An entry may be opened once an earlier one, `waitsFor`, and all before it are finished: then
/// its place in the ring or the window is free.
final class WeightStream: @unchecked Sendable {
  struct Entry {
    enum Source {
      /// Bytes of the file that are used in place.
      case pages(offset: Int, byteCount: Int)
      /// A frame in the file, and where in the ring it is decoded to.
      case frame(offset: Int, byteCount: Int, decodedByteCount: Int, ringOffset: Int)
    }

    let source: Source
    /// −1 where it may be opened at once.
    let waitsFor: Int
    /// Threads that finish it.
    let userCount: UInt32
  }

  private enum State {
    static let absent: UInt32 = 0
    static let opening: UInt32 = 1
    static let open: UInt32 = 2
  }

  /// Turns of waiting before a thread parks: decoding a tile takes some 80 µs.
  private static let spinCount = 4000

  /// The whole file.
  private let mapped: UnsafeRawBufferPointer
  private var entries: [Entry] = []
  private var states = AtomicWords(count: 0)
  private var finished = AtomicWords(count: 0)
  /// Number of entries, from the first, that every user has finished.
  private let finishedCount = Futex()
  /// No entry before this one can be opened any more.
  private let cursor = Futex()
  /// Counts what waiting threads may wait for.
  private let progress = Futex()
  private let sleepers = Futex()
  /// Set by the first frame that could not be decoded.
  private let failure = Futex()
  private var ringBase: UnsafeMutableRawPointer?
  private var workspace: Workspace?

  /// `mapped` must outlive this object.
  init(mapped: UnsafeRawBufferPointer) { self.mapped = mapped }

  /// Takes over the entries; between runs.
  func setEntries(_ entries: [Entry]) {
    self.entries = entries
    states = AtomicWords(count: entries.count)
    finished = AtomicWords(count: entries.count)
  }

  var isEmpty: Bool { entries.isEmpty }
  /// Whether a tile of the last run could not be decoded; its answers are worth nothing.
  var hasFailed: Bool { failure.load() != 0 }

  /// Before every run, while no thread is at work.
  func prepare(_ workspace: Workspace) {
    if entries.isEmpty { return }
    self.workspace = workspace
    ringBase = workspace.ringBase
    for index in entries.indices {
      states.store(State.absent, at: index)
      finished.store(0, at: index)
    }
    finishedCount.store(0)
    cursor.store(0)
    failure.store(0)
  }

  /// Waits until an entry is there; opens it where nobody else does.
  func open(_ index: Int, part: Int) -> UnsafeRawPointer {
    var turns = 0
    while true {
      let state = states.load(index)
      if state == State.open { return address(index) }
      let seen = progress.load()
      if state == State.absent, tryOpen(index, part: part) || help(part: part) { continue }
      if states.load(index) == State.opening, help(part: part) { continue }
      turns += 1
      if turns < WeightStream.spinCount {
        thimble_spin_hint()
      } else {
        sleepers.add(1)
        if states.load(index) != State.open { progress.wait(while: seen, timeoutNanoseconds: 1_000_000) }
        sleepers.add(UInt32.max)
      }
    }
  }

  /// One user is done with an entry; the last one gives its place back.
  func finish(_ index: Int) {
    guard finished.add(1, at: index) == entries[index].userCount else { return }
    if case .pages(let offset, let byteCount) = entries[index].source {
      FilePages.release(offset, byteCount, of: mapped)
    }
    advance()
  }

  private func advance() {
    while true {
      let count = finishedCount.load()
      guard Int(count) < entries.count, finished.load(Int(count)) >= entries[Int(count)].userCount else { return }
      // Threads that finish neighbours at once move it one after the other.
      if finishedCount.compareExchange(expected: count, desired: count + 1) { announce() }
    }
  }

  private func announce() {
    progress.add(1)
    if sleepers.load() > 0 { progress.wakeAll() }
  }

  /// Decodes the next tile that has a place, if there is one; returns whether it did.
  func help(part: Int) -> Bool {
    while true {
      let index = cursor.load()
      guard Int(index) < entries.count else { return false }
      if states.load(Int(index)) != State.absent {
        _ = cursor.compareExchange(expected: index, desired: index + 1)
        continue
      }
      return tryOpen(Int(index), part: part)
    }
  }

  /// Whether there is nothing left to decode in this run.
  var isExhausted: Bool { Int(cursor.load()) >= entries.count }

  private func tryOpen(_ index: Int, part: Int) -> Bool {
    let entry = entries[index]
    guard Int(finishedCount.load()) > entry.waitsFor,
      states.compareExchange(at: index, expected: State.absent, desired: State.opening)
    else { return false }
    if case .frame(let offset, let byteCount, let decodedByteCount, let ringOffset) = entry.source {
      let frame = UnsafeRawBufferPointer(rebasing: mapped[offset..<offset + byteCount])
      let output = UnsafeMutableRawBufferPointer(start: ringBase! + ringOffset, count: decodedByteCount)
      if !workspace!.decoder(of: part).decode(frame, into: output) { failure.store(1) }
      FilePages.release(offset, byteCount, of: mapped)
    }
    states.store(State.open, at: index)
    announce()
    return true
  }

  private func address(_ index: Int) -> UnsafeRawPointer {
    switch entries[index].source {
    case .pages(let offset, _): mapped.baseAddress! + offset
    case .frame(_, _, _, let offset): UnsafeRawPointer(ringBase! + offset)
    }
  }
}
