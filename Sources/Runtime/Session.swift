import CKernels
import Memory
import ModelFile
import System
import Tensors

/// A loaded model, ready to run: its weights, its tables and its steps. Activations lie in a workspace that sessions share:
/// inputs are written, the network run and outputs read without another session running in between.
public final class Session: @unchecked Sendable {
  public let inputs: [Port]
  public let outputs: [Port]
  public let plan: Plan
  /// What takes time, in the order of the steps.
  public let operatorSummaries: [OperatorSummary]
  /// As `ModelFile.contentKey`.
  public let contentKey: UInt64
  let weights: WeightStore
  let workspace: Workspace
  var claim: Workspace.Claim
  let planner: WeightPlanner
  private let tables: Arena
  private let pool: ThreadPool
  let steps: [any Step]
  private let metadata: MemoryBudget.Reservation
  var metadataByteCount: Int { metadata.byteCount + tables.byteCount }
  /// Where threads write times while a run is recorded.
  nonisolated(unsafe) var recording: UnsafeMutablePointer<Int64>?

  public var threadCount: Int { pool.threadCount }
  /// Whether other threads are estimated to save too little time for what they cost.
  public let isFasterAlone: Bool
  /// Threads that compute while nothing is streamed, the others parked: those that are worth it.
  public var preferredThreadCount: Int
  /// What a run looks at between steps.
  private nonisolated(unsafe) var cancellation: Futex?
  /// The step before which a run ends; the highest number: none.
  private let endStep = Futex(UInt32.max)
  /// Whether weights pass through memory for every run.
  public var isStreaming: Bool { weights.isStreaming }
  private let alone = Barrier(count: 1)
  /// Inferences of the run under way.
  private nonisolated(unsafe) var inferenceCount = 1
  /// Inferences that may run together now.
  public internal(set) var roomCount = 1
  /// What the workspace has for more than one.
  var room: Workspace.Claim?
  /// Whether no part of a step waits for another one: so it is but for chains that run stripe by stripe.
  private let hasIndependentSteps: Bool

  /// A tensor that the caller fills or reads.
  public struct Port: Sendable {
    public let name: String
    public let elementType: ElementType
    public let shape: Shape
    public let quantization: Quantization?
    fileprivate let offset: Int

    public var byteCount: Int { shape.elementCount * elementType.byteCount }

    /// What is no session's, but is described as one's: a table's, of which a size of −1 is as the request has it.
    public init(name: String, elementType: ElementType, shape: Shape) {
      self.init(name: name, elementType: elementType, shape: shape, quantization: nil, offset: 0)
    }

    fileprivate init(name: String, elementType: ElementType, shape: Shape, quantization: Quantization?, offset: Int) {
      (self.name, self.elementType, self.shape) = (name, elementType, shape)
      (self.quantization, self.offset) = (quantization, offset)
    }

    /// The same tensor by another name.
    public func named(_ name: String) -> Port {
      Port(name: name, elementType: elementType, shape: shape, quantization: quantization, offset: offset)
    }
  }

  /// Loads a model for the pool's threads with one instruction set's kernels, in the way that runs fastest in the memory that
  /// the budget has left, or in `memoryByteCount` bytes of it. Without a workspace it gets one of its own. `plans` are what it
  /// may choose from instead of the graph's candidates; they are for as many threads as the pool has.
  public init(
    _ file: consuming ModelFile, kernels: Kernels, pool: ThreadPool, budget: MemoryBudget, workspace: Workspace? = nil,
    memoryByteCount: Int? = nil, rates: DeviceRates = DeviceRates(), plans: [Plan]? = nil
  ) throws(SessionError) {
    let workspace = try inMemory { () throws(MemoryError) -> Workspace in
      if let workspace { return workspace }
      return try Workspace(budget: budget)
    }
    let available = min(memoryByteCount ?? Int.max, budget.availableByteCount)
    let memoryPlan = try inMemory { () throws(MemoryError) in
      try MemoryPlan(
        file, threadCount: pool.threadCount, availableByteCount: available, rates: rates, workspace: workspace,
        plans: plans, budget)
    }
    let graph = file.graph
    contentKey = file.contentKey
    let plan = memoryPlan.plan
    var metadata = try inMemory { () throws(MemoryError) in
      try budget.reserve(memoryPlan.metadata.loadingByteCount, for: .metadata)
    }
    let tables = try inMemory { () throws(MemoryError) in
      try Arena(byteCount: plan.tableByteCount, for: .metadata, budget: budget)
    }
    plan.fillZeroRows(tables.base)
    let weights: WeightStore
    do throws(MemoryError) {
      weights = try WeightStore(file, planner: memoryPlan.planner, placement: memoryPlan.placement, budget: budget)
    } catch {
      throw .memory(error)
    }
    try Session.load(weights, memoryPlan, pool, workspace)
    steps = StepBuilder(graph: graph, plan: plan, kernels: kernels, weights: weights, tables: tables.base).build()
    operatorSummaries = OperatorSummary.summaries(of: graph, plan.chains)
    inputs = Session.ports(graph.inputs, graph, plan)
    outputs = Session.ports(graph.outputs, graph, plan)
    planner = memoryPlan.planner
    isFasterAlone = CostModel.isFasterAlone(graph, rates: rates, threadCount: pool.threadCount)
    hasIndependentSteps =
      plan.chains.isEmpty && steps.count <= SharedSteps.stepCountMax && pool.threadCount <= SharedSteps.partCountMax
    // The graph goes now; to hold less cannot fail. What runs need is taken in its place.
    try? metadata.resize(to: memoryPlan.metadata.keptByteCount)
    claim = try inMemory { () throws(MemoryError) in try workspace.claim(memoryPlan.runningNeeds) }
    preferredThreadCount = pool.threadCount
    self.metadata = metadata
    self.plan = plan
    self.tables = tables
    self.weights = weights
    self.workspace = workspace
    self.pool = pool
  }

  /// Checks and decodes the weights on all threads.
  private static func load(
    _ weights: WeightStore, _ plan: MemoryPlan, _ pool: ThreadPool, _ workspace: Workspace
  ) throws(SessionError) {
    let claim = try inMemory { () throws(MemoryError) in try workspace.claim(plan.loadingNeeds) }
    pool.run(WeightLoading(weights, workspace, loaderCount: plan.loaderCount))
    _ = consume claim
    workspace.trim()
    do { try weights.finishLoading() } catch { throw .file(error) }
  }

  private static func ports(_ tensors: [Int], _ graph: Graph, _ plan: Plan) -> [Port] {
    tensors.map {
      let tensor = graph.tensors[$0]
      return Port(
        name: tensor.name, elementType: tensor.elementType, shape: tensor.shape, quantization: tensor.quantization,
        offset: plan.tensorOffsets[$0]!)
    }
  }

  /// Lets `body` write an input's bytes, in the tensor's own element type, where the network reads them.
  public func writeInput<Failure: Error>(
    _ index: Int, of inference: Int = 0, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    let bytes = UnsafeMutableRawBufferPointer(
      start: activationBase(of: inference) + inputs[index].offset, count: inputs[index].byteCount)
    try body(bytes)
    if inputs[index].elementType == .int8 { Session.flipSigns(UnsafeRawBufferPointer(bytes), into: bytes) }
  }

  /// Copies an output's bytes, in the tensor's own element type; `target` has the port's `byteCount`.
  public func readOutput(_ index: Int, of inference: Int = 0, into target: UnsafeMutableRawBufferPointer) {
    let bytes = UnsafeRawBufferPointer(
      start: activationBase(of: inference) + outputs[index].offset, count: outputs[index].byteCount)
    if outputs[index].elementType == .int8 {
      Session.flipSigns(bytes, into: target)
    } else {
      target.copyMemory(from: bytes)
    }
  }

  /// int8 to and from the unsigned domain: 128 more or less is the same bit flipped.
  private static func flipSigns(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) {
    for index in 0..<source.count { target[index] = source[index] ^ 0x80 }
  }

  /// Threads that the next run takes where it may take `limit`.
  public func threadCount(limit: Int) -> Int {
    // Where weights are streamed, threads that compute nothing still decode.
    max(1, min(limit, weights.isStreaming ? pool.threadCount : preferredThreadCount, pool.threadCount))
  }

  /// Computes the outputs from the inputs, which do not survive it, on at most `threadLimit` threads; of the first
  /// `inferenceCount` inferences, for which there must be room. Once `flag` is not 0 it stops after the step under way; returns
  /// whether it did not. Allocates nothing.
  @discardableResult
  public func run(threadLimit: Int = Int.max, inferenceCount: Int = 1, unless flag: Futex? = nil) -> Bool {
    precondition(inferenceCount >= 1 && inferenceCount <= roomCount)
    self.inferenceCount = inferenceCount
    cancellation = flag
    endStep.store(UInt32.max)
    defer { cancellation = nil }
    let threadCount = threadCount(limit: threadLimit)
    weights.prepare(workspace, threadCount: threadCount)
    if weights.isStreaming || recording != nil || !hasIndependentSteps {
      pool.run(self, threadCount: threadCount)
    } else {
      pool.run(steps: self, threadCount: threadCount)
    }
    return endStep.load() == UInt32.max
  }

  /// Whether the outputs are worth anything: asked after a run, and before one to spare it. Takes less than a microsecond.
  ///
  /// - Throws: what has become of the model's file since it was loaded, or why its weights could not be read.
  public func checkFile() throws(SessionError) {
    do { try weights.check() } catch { throw .file(error) }
  }
}

extension Session: SteppedJob {
  var stepCount: Int { steps.count }

  var mayEnd: Bool { cancellation != nil }

  func ends(before step: Int) -> Bool {
    guard let cancellation, cancellation.load() != 0 else { return false }
    endStep.store(UInt32(step))
    return true
  }

  func run(step: Int, part: Int, of parts: Int) {
    steps[step].runAll(
      StepContext(
        arena: workspace.activationBase, barrier: alone, streaming: nil, inferenceCount: inferenceCount,
        inferenceByteCount: inferenceByteCount), part: part, of: parts)
  }
}

extension Session: Job {
  func run(part: Int, of parts: Int, barrier: Barrier) {
    let context = StepContext(
      arena: workspace.activationBase, barrier: barrier, streaming: weights.isStreaming ? weights : nil,
      inferenceCount: inferenceCount, inferenceByteCount: inferenceByteCount)
    if let recording { return run(context, part: part, of: parts, recording: recording) }
    let mayEnd = mayEnd
    for index in steps.indices {
      if index > 0, !mayEnd {
        context.wait(part: part)
      } else if index > 0 {
        // One decides for all, who learn of it at the barrier; the next decision may be made before the last one has looked.
        if part == 0 { _ = ends(before: index) }
        context.wait(part: part)
        if endStep.load() <= UInt32(index) { return }
      }
      steps[index].runAll(context, part: part, of: parts)
    }
  }
}

/// Loads weights on all threads of a pool.
private final class WeightLoading: Job {
  private let weights: WeightStore
  private let workspace: Workspace
  private let loaderCount: Int

  init(_ weights: WeightStore, _ workspace: Workspace, loaderCount: Int) {
    self.weights = weights
    self.workspace = workspace
    self.loaderCount = loaderCount
  }

  func run(part: Int, of parts: Int, barrier: Barrier) {
    if part < loaderCount { weights.load(part: part, workspace: workspace) }
  }
}

/// Runs `body`, wrapping its error.
private func inMemory<Result: ~Copyable>(
  _ body: () throws(MemoryError) -> Result
) throws(SessionError) -> Result {
  do { return try body() } catch { throw .memory(error) }
}
