import Memory
import ModelFile
import System
import Tensors

/// Results of models whose configuration asks for it, by the inputs that led to them; those used least recently go first. Inputs
/// are kept and compared byte for byte: a hash alone could be made to answer one client with what another has put there.
///
/// The loop and the worker both look things up; the worker adds.
final class ResponseCache: @unchecked Sendable {
  /// The inputs of one run and, once it is in the cache, its outputs. Then it does not change any more.
  final class Entry: @unchecked Sendable {
    fileprivate let model: ObjectIdentifier
    fileprivate var hash: UInt64 = 0
    private let buffer: Buffer
    private let layout: ExchangeLayout

    fileprivate init(_ model: LoadedModel, _ layout: ExchangeLayout, _ buffer: Buffer) {
      self.model = ObjectIdentifier(model)
      self.layout = layout
      self.buffer = buffer
    }

    fileprivate var byteCount: Int { buffer.bytes.count }
    func input(_ index: Int) -> UnsafeMutableRawBufferPointer { .init(rebasing: buffer.bytes[layout.inputs[index]]) }
    func output(_ index: Int) -> UnsafeMutableRawBufferPointer { .init(rebasing: buffer.bytes[layout.outputs[index]]) }
    var inputs: [UnsafeRawBufferPointer] { layout.inputs.indices.map { UnsafeRawBufferPointer(input($0)) } }
  }

  struct Figures: Sendable {
    var entryCount = 0
    var byteCount = 0
    var evictionCount = 0
  }

  let byteCountMax: Int
  private let budget: MemoryBudget
  /// The list's own memory.
  private let table: HeldMemory?
  private let lock = Lock()
  /// Guarded by `lock`; used most recently last.
  private var entries: [Entry] = []
  private var current = Figures()
  private var keeps = true

  /// `byteCountMax` 0: nothing is kept.
  init(byteCountMax: Int, budget: MemoryBudget) throws(MemoryError) {
    self.byteCountMax = byteCountMax
    self.budget = budget
    let count = min(byteCountMax / Mapping.pageByteCount, ServingLimits.cachedResponsesMax)
    table =
      count > 0 ? HeldMemory(try budget.reserve(count * ServingLimits.cachedResponseBytes, for: .responses)) : nil
    entries.reserveCapacity(count)
  }

  var figures: Figures { lock.withLock { current } }

  // MARK: Looking up

  /// What a model answered to the same inputs; nil where that is not known.
  func entry(_ model: LoadedModel, like inputs: [UnsafeRawBufferPointer]) -> Entry? {
    let hash = ResponseCache.hash(inputs)
    let identifier = ObjectIdentifier(model)
    let found: Entry? = lock.withLock {
      guard let index = entries.lastIndex(where: { $0.hash == hash && $0.model == identifier }) else { return nil }
      let entry = entries.remove(at: index)
      entries.append(entry)
      return entry
    }
    guard let found else { return nil }
    for (kept, input) in zip(found.inputs, inputs) where !kept.isEqual(to: input) { return nil }
    return found
  }

  private static func hash(_ inputs: [UnsafeRawBufferPointer]) -> UInt64 {
    inputs.reduce(0) { ($0 &+ xxh64($1)) &* 0x9E37_79B1_85EB_CA87 }
  }

  // MARK: Adding

  /// Memory for another entry, at the expense of older ones alone where the budget is short; nil where that does not do, or the
  /// model does not want it.
  func room(for model: LoadedModel) -> Entry? {
    guard let layout = model.exchange, layout.byteCount <= byteCountMax, lock.withLock({ keeps }) else { return nil }
    let headroom = ServingLimits.headroomByteCount(budget.limitByteCount)
    while budget.availableByteCount < layout.byteCount + headroom {
      guard evictOne() else { return nil }
    }
    guard let buffer = try? Buffer(byteCount: layout.byteCount, budget: budget, for: .responses) else { return nil }
    return Entry(model, layout, buffer)
  }

  /// Takes an entry whose inputs and outputs are written.
  func insert(_ entry: Entry) {
    entry.hash = ResponseCache.hash(entry.inputs)
    var old: Entry?
    lock.withLock {
      guard keeps else { return }
      if let index = entries.firstIndex(where: { $0.hash == entry.hash && $0.model == entry.model }) {
        let same = entries.remove(at: index)
        current.byteCount -= same.byteCount
        old = same
      }
      entries.append(entry)
      current.byteCount += entry.byteCount
      current.entryCount = entries.count
    }
    withExtendedLifetime(old) {}
    while isOverfull, evictOne() {}
  }

  private var isOverfull: Bool {
    lock.withLock { entries.count > ServingLimits.cachedResponsesMax || current.byteCount > byteCountMax }
  }

  // MARK: Giving back

  /// Returns whether there was one.
  private func evictOne() -> Bool {
    let victim: Entry? = lock.withLock {
      guard !entries.isEmpty else { return nil }
      let victim = entries.removeFirst()
      current.byteCount -= victim.byteCount
      current.entryCount = entries.count
      current.evictionCount += 1
      return victim
    }
    return victim != nil
  }

  /// Gives every entry back to the budget.
  func trim() { forget { _ in true } }

  /// Forgets what a model has answered, since it is gone.
  func forget(_ model: LoadedModel) {
    let identifier = ObjectIdentifier(model)
    forget { $0.model == identifier }
  }

  private func forget(_ isGone: (Entry) -> Bool) {
    let all = lock.withLock {
      let all = entries
      entries.removeAll(where: isGone)
      current.byteCount = entries.reduce(0) { $0 + $1.byteCount }
      current.entryCount = entries.count
      return all
    }
    // Unmapping takes time: not under the lock.
    withExtendedLifetime(all) {}
  }

  /// Whether results are kept. Where not, there are none.
  var keepsResponses: Bool {
    get { lock.withLock { keeps } }
    set {
      lock.withLock { keeps = newValue }
      if !newValue { trim() }
    }
  }
}

/// Where a model's inputs and outputs stand in one piece of memory.
struct ExchangeLayout: Sendable {
  private(set) var inputs: [Range<Int>] = []
  private(set) var outputs: [Range<Int>] = []
  private(set) var byteCount = 0

  init(inputByteCounts: [Int], outputByteCounts: [Int]) {
    inputs = inputByteCounts.map { take($0) }
    outputs = outputByteCounts.map { take($0) }
  }

  private mutating func take(_ count: Int) -> Range<Int> {
    let start = byteCount
    byteCount = (start + count + 63) / 64 * 64
    return start..<(start + count)
  }
}

extension UnsafeRawBufferPointer {
  /// Eight bytes at a time.
  fileprivate func isEqual(to other: UnsafeRawBufferPointer) -> Bool {
    guard count == other.count else { return false }
    var offset = 0
    while offset + 32 <= count {
      var difference: UInt64 = 0
      for lane in 0..<4 {
        difference |=
          loadUnaligned(fromByteOffset: offset + 8 * lane, as: UInt64.self)
          ^ other.loadUnaligned(fromByteOffset: offset + 8 * lane, as: UInt64.self)
      }
      if difference != 0 { return false }
      offset += 32
    }
    while offset < count {
      if self[offset] != other[offset] { return false }
      offset += 1
    }
    return true
  }
}
