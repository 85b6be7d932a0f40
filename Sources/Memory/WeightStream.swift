import CSystem
import ModelFile
import System

/// The weights that pass through memory for every inference: threads read or decode tiles into a ring ahead of their use,
/// whenever they would otherwise wait.
///
/// Tiles are read with `read` and not from a mapping: that keeps what is resident exact, and the kernel reads ahead.
/// Entries are used in order. An entry may be opened once an earlier one, `waitsFor`, and all before it are finished: then
/// its place in the ring is free.
final class WeightStream: @unchecked Sendable {
  struct Entry {
    /// Whole tiles of a layer whose bytes follow each other in the ring, or `byteCount` bytes from `offset` on of a raw one.
    let firstTile: Int
    var tileCount = 1
    let offset: Int
    let byteCount: Int
    let ringOffset: Int
    /// −1 where it may be opened at once.
    var waitsFor: Int
    /// Whether every thread finishes it, or one.
    var isShared: Bool
  }

  private enum State {
    static let absent: UInt32 = 0
    static let opening: UInt32 = 1
    static let open: UInt32 = 2
  }

  /// Turns of waiting before a thread parks: decoding a tile takes some 80 µs.
  private static let spinCount = 4000

  let file: ModelFile
  private let tiles: [WeightLayout.LayerTile]
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
  /// Whether there is an error, and the first one.
  private let hasFailed = Futex()
  private let failureLock = Lock()
  private var failure: ModelFileError?
  private var ringBase: UnsafeMutableRawPointer?
  private var workspace: Workspace?
  /// Threads of this run.
  private var threadCount: UInt32 = 1

  init(_ file: consuming ModelFile, _ layout: WeightLayout) {
    tiles = layout.tiles
    self.file = file
  }

  /// Takes over the entries; between runs.
  func setEntries(_ entries: [Entry]) {
    self.entries = entries
    states = AtomicWords(count: entries.count)
    finished = AtomicWords(count: entries.count)
  }

  var isEmpty: Bool { entries.isEmpty }
  /// Errors: a tile of the last run could not be read or decoded, or the file has changed; answers are worth nothing.
  func check() throws(ModelFileError) {
    try file.check()
    if let failure = failureLock.withLock({ failure }) { throw failure }
  }

  /// Before every run, while no thread is at work.
  func prepare(_ workspace: Workspace, threadCount: Int) {
    if entries.isEmpty { return }
    self.threadCount = UInt32(threadCount)
    self.workspace = workspace
    ringBase = workspace.ringBase
    for index in entries.indices {
      states.store(State.absent, at: index)
      finished.store(0, at: index)
    }
    finishedCount.store(0)
    cursor.store(0)
    if hasFailed.load() != 0 {
      hasFailed.store(0)
      failure = nil
    }
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

  /// One user is done with an entry; the last one frees its place.
  func finish(_ index: Int) {
    guard finished.add(1, at: index) == userCount(index) else { return }
    advance()
  }

  private func userCount(_ index: Int) -> UInt32 { entries[index].isShared ? threadCount : 1 }

  private func advance() {
    while true {
      let count = finishedCount.load()
      guard Int(count) < entries.count, finished.load(Int(count)) >= userCount(Int(count)) else { return }
      // Threads that finish neighbours at once move it one after the other.
      if finishedCount.compareExchange(expected: count, desired: count + 1) { announce() }
    }
  }

  private func announce() {
    progress.add(1)
    if sleepers.load() > 0 { progress.wakeAll() }
  }

  /// Reads or decodes the next tile that has a place, if there is one; returns whether it did.
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

  /// Whether there is nothing left to open in this run.
  var isExhausted: Bool { Int(cursor.load()) >= entries.count }

  private func tryOpen(_ index: Int, part: Int) -> Bool {
    let entry = entries[index]
    guard Int(finishedCount.load()) > entry.waitsFor,
      states.compareExchange(at: index, expected: State.absent, desired: State.opening)
    else { return false }
    do throws(ModelFileError) {
      var place = ringBase! + entry.ringOffset
      for index in entry.firstTile..<entry.firstTile + entry.tileCount {
        let item = tiles[index]
        if !item.isRaw {
          let reader = workspace!.reader(of: part)
          try reader.read(item.tile, of: item.blob, in: file, verifies: false, into: place)
        } else if entry.tileCount == 1 {
          try file.read(item.tile, from: entry.offset, byteCount: entry.byteCount, into: place)
        } else {
          try file.read(item.tile, into: place)
        }
        place += item.tile.decodedByteCount
      }
    } catch {
      failureLock.withLock { if failure == nil { failure = error } }
      hasFailed.store(1)
    }
    states.store(State.open, at: index)
    announce()
    return true
  }

  private func address(_ index: Int) -> UnsafeRawPointer { UnsafeRawPointer(ringBase! + entries[index].ringOffset) }
}
