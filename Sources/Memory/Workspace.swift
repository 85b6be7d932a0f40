import System

/// Memory that sessions need only while they run: activations, the ring of streamed weights, decoders. All sessions that
/// one thread runs one after the other share one workspace, as large as the largest of them needs.
///
/// `claim`, `trim` and runs are for that one thread; a claim may be dropped on any thread.
public final class Workspace: @unchecked Sendable {
  /// What one session needs.
  public struct Needs: Sendable, Equatable {
    public var activationByteCount: Int
    public var ringByteCount: Int
    /// Pages of the file that pass, and those that decoders read.
    public var windowByteCount: Int
    public var decoderCount: Int

    public init(activationByteCount: Int, ringByteCount: Int, windowByteCount: Int, decoderCount: Int) {
      self.activationByteCount = activationByteCount
      self.ringByteCount = ringByteCount
      self.windowByteCount = windowByteCount
      self.decoderCount = decoderCount
    }

    static let none = Needs(activationByteCount: 0, ringByteCount: 0, windowByteCount: 0, decoderCount: 0)

    /// The greater of each.
    func union(_ other: Needs) -> Needs {
      Needs(
        activationByteCount: max(activationByteCount, other.activationByteCount),
        ringByteCount: max(ringByteCount, other.ringByteCount),
        windowByteCount: max(windowByteCount, other.windowByteCount),
        decoderCount: max(decoderCount, other.decoderCount))
    }

    /// Whole pages.
    public var byteCount: Int {
      Mapping.roundedToPages(activationByteCount) + Mapping.roundedToPages(ringByteCount)
        + Mapping.roundedToPages(windowByteCount) + decoderCount * Decoder.byteCount
    }
  }

  /// A session's hold on the workspace.
  public final class Claim: Sendable {
    fileprivate let workspace: Workspace
    public let needs: Needs

    fileprivate init(_ workspace: Workspace, _ needs: Needs) {
      self.workspace = workspace
      self.needs = needs
    }

    deinit { workspace.release(needs) }
  }

  private let budget: MemoryBudget
  private let lock = Lock()
  /// Guarded by `lock`.
  private var claims: [Needs] = []
  private let activations: ResizableArena
  private let ring: ResizableArena
  private var window: MemoryBudget.Reservation
  private var decoders: [Decoder] = []
  private var decoderMemory: MemoryBudget.Reservation

  public init(budget: MemoryBudget) throws(MemoryError) {
    self.budget = budget
    activations = try ResizableArena(for: .activations, budget: budget)
    ring = try ResizableArena(for: .weights, budget: budget)
    window = try budget.reserve(0, for: .weights)
    decoderMemory = try budget.reserve(0, for: .decoder)
  }

  /// Bytes that claiming would add.
  public func missingByteCount(for needs: Needs) -> Int { held.union(needs).byteCount - held.byteCount }

  /// Makes the workspace large enough; contents do not survive. Where it is refused nothing changes.
  public func claim(_ needs: Needs) throws(MemoryError) -> Claim {
    let before = held
    do throws(MemoryError) { try resize(to: before.union(needs)) } catch {
      try? resize(to: before)
      throw error
    }
    lock.withLock { claims.append(needs) }
    return Claim(self, needs)
  }

  /// Gives back what no claim needs any more.
  public func trim() {
    // To become smaller cannot fail.
    try? resize(to: lock.withLock { claims.reduce(Needs.none) { $0.union($1) } })
  }

  private func release(_ needs: Needs) {
    lock.withLock { if let index = claims.firstIndex(of: needs) { claims.remove(at: index) } }
  }

  private var held: Needs {
    Needs(
      activationByteCount: activations.byteCount, ringByteCount: ring.byteCount, windowByteCount: window.byteCount,
      decoderCount: decoders.count)
  }

  private func resize(to needs: Needs) throws(MemoryError) {
    try activations.resize(to: needs.activationByteCount)
    try ring.resize(to: needs.ringByteCount)
    try window.resize(to: needs.windowByteCount)
    if decoders.count > needs.decoderCount { decoders.removeLast(decoders.count - needs.decoderCount) }
    try decoderMemory.resize(to: needs.decoderCount * Decoder.byteCount)
    while decoders.count < needs.decoderCount { decoders.append(try Decoder()) }
  }

  // MARK: While a session runs

  public var activationBase: UnsafeMutableRawPointer { activations.base! }
  /// Nil where no claim asked for a ring.
  var ringBase: UnsafeMutableRawPointer? { ring.base }

  /// Calls of different parts may share a decoder. Precondition: a claim asked for one.
  func decoder(of part: Int) -> Decoder { decoders[part % decoders.count] }
}
