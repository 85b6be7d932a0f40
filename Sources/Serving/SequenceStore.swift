import Memory
import Protocols
import System

/// The sequences of clients: each belongs to a user of the Unix socket, or else to a connection. Looked up by whoever runs models;
/// the event loop drops those that have been idle for too long.
final class SequenceStore: @unchecked Sendable {
  /// Whose it is.
  enum Owner: Equatable, Sendable {
    case user(UInt32)
    case connection(UInt64)
  }

  private struct Entry {
    let owner: Owner
    let model: LoadedModel
    let id: SequenceID
    let sequence: StateSequence
    /// A request of it runs.
    var isBusy = true
    var lastUsedNanoseconds: Int64
    let maxIdleNanoseconds: Int64

    var dueNanoseconds: Int64 { isBusy ? Int64.max : lastUsedNanoseconds + maxIdleNanoseconds }
  }

  struct Figures: Sendable {
    var count = 0
    var evictionCount = 0
  }

  private let lock = Lock()
  /// Guarded by `lock`.
  private var entries: [Entry] = []
  private var evictionCount = 0

  init() { entries.reserveCapacity(ServingLimits.sequencesMax) }

  var figures: Figures { lock.withLock { Figures(count: entries.count, evictionCount: evictionCount) } }

  // MARK: The worker's

  /// The sequence that a request goes on with, or starts. Nil where the model keeps none. It is the request's until `end`.
  ///
  /// Errors: the request names none, or one that is not there; too many; no memory.
  func begin(
    _ parameters: InferenceParameters, of model: LoadedModel, _ owner: Owner, _ residents: ModelResidents
  ) throws(ServingError) -> StateSequence? {
    guard let layout = model.sequenceLayout, let configuration = model.configuration.sequences else { return nil }
    guard let id = parameters.sequenceID else { throw .sequenceMissing(model: model.name) }
    let now = Clock.nowNanoseconds
    evict(now)
    if let found = resume(id, model, owner) {
      if parameters.startsSequence { found.reset() }
      return found
    }
    guard parameters.startsSequence else { throw .sequenceUnknown(model: model.name, id: id) }
    let (count, own) = lock.withLock { (entries.count, entries.count { $0.owner == owner }) }
    guard count < ServingLimits.sequencesMax else { throw .tooManySequences(limit: ServingLimits.sequencesMax) }
    guard own < ServingLimits.ownSequencesMax else { throw .tooManySequences(limit: ServingLimits.ownSequencesMax) }
    let sequence = try residents.findingRoom(sparing: model) { () throws(MemoryError) in
      try StateSequence(layout, budget: residents.budget)
    }
    lock.withLock {
      entries.append(
        Entry(
          owner: owner, model: model, id: id, sequence: sequence, lastUsedNanoseconds: now,
          maxIdleNanoseconds: Int64(configuration.maxIdleMicros) * 1000))
    }
    return sequence
  }

  private func resume(_ id: SequenceID, _ model: LoadedModel, _ owner: Owner) -> StateSequence? {
    lock.withLock {
      guard let index = entries.firstIndex(where: { $0.owner == owner && $0.model === model && $0.id == id }) else {
        return nil
      }
      entries[index].isBusy = true
      return entries[index].sequence
    }
  }

  /// The request is done. `isLast`: it ended the sequence. One that never came through its first request goes too.
  func end(_ sequence: StateSequence, isLast: Bool) {
    let now = Clock.nowNanoseconds
    lock.withLock {
      guard let index = entries.firstIndex(where: { $0.sequence === sequence }) else { return }
      entries[index].isBusy = false
      entries[index].lastUsedNanoseconds = now
      if isLast || sequence.isFresh { entries.remove(at: index) }
    }
  }

  /// A model is gone for good.
  func forget(_ model: LoadedModel) { lock.withLock { entries.removeAll { $0.model === model } } }

  // MARK: The event loop's

  /// A connection is closed: nobody can go on with its sequences.
  func close(_ connection: UInt64) { lock.withLock { entries.removeAll { $0.owner == .connection(connection) } } }

  /// When the next one will have been idle for too long.
  var dueNanoseconds: Int64 { lock.withLock { entries.reduce(Int64.max) { min($0, $1.dueNanoseconds) } } }

  func evict(_ now: Int64) {
    lock.withLock {
      let before = entries.count
      entries.removeAll { now >= $0.dueNanoseconds }
      evictionCount += before - entries.count
    }
  }
}
