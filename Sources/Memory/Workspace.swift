import System

/// Memory that sessions need only while they run: activations, the ring that weights pass through, decoders. All sessions that
/// one thread runs one after the other share one workspace, as large as the largest of them needs.
///
/// `claim`, `trim` and runs are for that one thread; a claim may be dropped on any thread.
public final class Workspace: @unchecked Sendable {
  /// What one session needs.
  public struct Needs: Sendable, Equatable {
    public var activationByteCount: Int
    public var ringByteCount: Int
    /// Threads that decode at once, and the longest frame they decode.
    public var readerCount: Int
    public var frameByteCount: Int

    public init(activationByteCount: Int, ringByteCount: Int, readerCount: Int, frameByteCount: Int) {
      self.activationByteCount = activationByteCount
      self.ringByteCount = ringByteCount
      self.readerCount = readerCount
      self.frameByteCount = frameByteCount
    }

    static let none = Needs(activationByteCount: 0, ringByteCount: 0, readerCount: 0, frameByteCount: 0)

    /// The greater of each.
    func union(_ other: Needs) -> Needs {
      Needs(
        activationByteCount: max(activationByteCount, other.activationByteCount),
        ringByteCount: max(ringByteCount, other.ringByteCount),
        readerCount: max(readerCount, other.readerCount), frameByteCount: max(frameByteCount, other.frameByteCount))
    }

    fileprivate var readersByteCount: Int {
      readerCount == 0 ? 0 : readerCount * TileReader.byteCount(frameByteCount: frameByteCount)
    }

    /// Whole pages.
    public var byteCount: Int {
      Mapping.roundedToPages(activationByteCount) + Mapping.roundedToPages(ringByteCount)
        + readersByteCount
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
  private var readers: [TileReader] = []
  private var frameByteCount = 0
  private var readerMemory: MemoryBudget.Reservation

  public init(budget: MemoryBudget) throws(MemoryError) {
    self.budget = budget
    activations = try ResizableArena(for: .activations, budget: budget)
    ring = try ResizableArena(for: .weights, budget: budget)
    readerMemory = try budget.reserve(0, for: .decoder)
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
      activationByteCount: activations.byteCount, ringByteCount: ring.byteCount, readerCount: readers.count,
      frameByteCount: frameByteCount)
  }

  private func resize(to needs: Needs) throws(MemoryError) {
    try activations.resize(to: needs.activationByteCount)
    try ring.resize(to: needs.ringByteCount)
    guard needs.readerCount != readers.count || needs.frameByteCount != frameByteCount else { return }
    // Old ones go first: they are not to be there together.
    readers = []
    frameByteCount = needs.readerCount > 0 ? needs.frameByteCount : 0
    try readerMemory.resize(to: needs.readersByteCount)
    while readers.count < needs.readerCount { readers.append(try TileReader(frameByteCount: frameByteCount)) }
  }

  // MARK: While a session runs

  public var activationBase: UnsafeMutableRawPointer { activations.base! }
  /// Nil where no claim asked for a ring.
  var ringBase: UnsafeMutableRawPointer? { ring.base }

  /// Calls of different parts may share a reader. Precondition: a claim asked for one.
  func reader(of part: Int) -> TileReader { readers[part % readers.count] }
}
