import CKernels
import Memory
import ModelFile
import System
import Tensors

/// A loaded model, ready to run: its weights, its plan and one arena. One run at a time.
public final class Session: @unchecked Sendable {
  public let inputs: [Port]
  public let outputs: [Port]
  public let plan: Plan
  /// The steps in order: the source format's name, the output's shape, multiplications and additions.
  public let stepSummaries: [StepSummary]
  private let weights: WeightStore
  private let arena: Arena
  private let pool: ThreadPool
  private let steps: [any Step]
  private let metadata: MemoryBudget.Reservation
  /// Where the first thread writes step times while a run is recorded.
  private nonisolated(unsafe) var recording: UnsafeMutablePointer<Int64>?

  public struct StepSummary: Sendable {
    public let name: String
    public let outputShape: Shape
    public let multiplyAdds: Int

    /// One entry a step; a reshape is no step, and a channel multiplier is one of its own.
    fileprivate static func summaries(of graph: Graph) -> [StepSummary] {
      var summaries: [StepSummary] = []
      for step in graph.operators {
        let shape = graph.tensors[step.output].shape
        if case .reshape = step.operation, graph.tensors[step.inputs[0]].constant == nil { continue }
        if case .depthwiseConvolution(let convolution) = step.operation,
          convolution.geometry.inputChannels != convolution.geometry.outputChannels
        {
          summaries.append(StepSummary(name: step.name + " channels", outputShape: shape, multiplyAdds: 0))
        }
        summaries.append(StepSummary(name: step.name, outputShape: shape, multiplyAdds: step.operation.multiplyAdds))
      }
      return summaries
    }
  }

  /// A tensor that the caller fills or reads.
  public struct Port: Sendable {
    public let name: String
    public let elementType: ElementType
    public let shape: Shape
    public let quantization: Quantization?
    fileprivate let offset: Int

    public var byteCount: Int { shape.elementCount * elementType.byteCount }
  }

  /// Bytes a model takes from the budget: while it is loaded, and the peak while it loads.
  public struct Needs: Sendable, Equatable {
    public let arenaByteCount: Int
    public let weights: WeightStore.Needs
    public let metadataByteCount: Int

    public var loadedByteCount: Int {
      arenaByteCount + weights.residentByteCount + weights.inPlaceByteCount + metadataByteCount
    }
    /// The arena comes after the weights are loaded, so that it and what loading takes are never there together.
    public var peakByteCount: Int {
      max(loadedByteCount, loadedByteCount - arenaByteCount + weights.loadingByteCount)
    }
  }

  public static func needs(_ file: borrowing ModelFile, plan: Plan) -> Needs {
    Needs(
      arenaByteCount: Mapping.roundedToPages(plan.arenaByteCount), weights: .init(of: file),
      metadataByteCount: file.graphByteCount)
  }

  /// Loads a model for the pool's threads with one instruction set's kernels.
  public init(
    _ file: consuming ModelFile, kernels: Kernels, pool: ThreadPool, budget: MemoryBudget
  ) throws(SessionError) {
    let graph = file.graph
    let plan = Plan(graph, threadCount: pool.threadCount)
    let needs = Session.needs(file, plan: plan)
    let metadata = try inMemory { () throws(MemoryError) in
      try budget.check(needs.peakByteCount)
      return try budget.reserve(needs.metadataByteCount, for: .metadata)
    }
    let weights: WeightStore
    do { weights = try WeightStore(file, budget: budget) } catch { throw SessionError(error) }
    let arena = try inMemory { () throws(MemoryError) in
      try Arena(byteCount: plan.arenaByteCount, for: .activations, budget: budget)
    }
    for row in plan.zeroRows {
      UnsafeMutableRawBufferPointer(start: arena.base + row.offset, count: row.byteCount + 64).initializeMemory(
        as: UInt8.self, repeating: row.value)
    }
    steps = try StepBuilder(graph: graph, plan: plan, kernels: kernels, weights: weights, arena: arena.base).build()
    stepSummaries = StepSummary.summaries(of: graph)
    inputs = graph.inputs.map { Session.port(graph.tensors[$0], plan.tensorOffsets[$0]!) }
    outputs = graph.outputs.map { Session.port(graph.tensors[$0], plan.tensorOffsets[$0]!) }
    self.plan = plan
    self.metadata = metadata
    self.arena = arena
    self.weights = weights
    self.pool = pool
  }

  private static func port(_ tensor: TensorInfo, _ offset: Int) -> Port {
    Port(
      name: tensor.name, elementType: tensor.elementType, shape: tensor.shape, quantization: tensor.quantization,
      offset: offset)
  }

  /// Lets `body` write an input's bytes, in the tensor's own element type, where the network reads them.
  public func writeInput<Failure: Error>(
    _ index: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    let bytes = UnsafeMutableRawBufferPointer(start: arena.base + inputs[index].offset, count: inputs[index].byteCount)
    try body(bytes)
    if inputs[index].elementType == .int8 { Session.flipSigns(UnsafeRawBufferPointer(bytes), into: bytes) }
  }

  /// Copies an output's bytes, in the tensor's own element type; `target` has the port's `byteCount`.
  public func readOutput(_ index: Int, into target: UnsafeMutableRawBufferPointer) {
    let bytes = UnsafeRawBufferPointer(start: arena.base + outputs[index].offset, count: outputs[index].byteCount)
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

  /// Whether the outputs are worth anything: asked after a run, and before one to spare it. Takes less than a microsecond.
  ///
  /// - Throws: what has become of the model's file since it was loaded: see `ModelFile.check`.
  public func checkFile() throws(SessionError) {
    do { try weights.checkFile() } catch { throw .file(error) }
  }

  /// Computes the outputs from the inputs. Allocates nothing.
  public func run() { pool.run(self) }

  /// Computes the outputs and writes each step's nanoseconds, its barrier included, to `stepNanoseconds`, which has as many
  /// elements as `stepSummaries`.
  public func run(recording stepNanoseconds: UnsafeMutableBufferPointer<Int64>) {
    recording = stepNanoseconds.baseAddress
    pool.run(self)
    recording = nil
  }
}

extension Session: Job {
  func run(part: Int, of parts: Int, barrier: borrowing Barrier) {
    let context = StepContext(arena: arena.base)
    let times = part == 0 ? recording : nil
    var start = times == nil ? 0 : Clock.nowNanoseconds
    for index in steps.indices {
      if index > 0 { barrier.wait() }
      steps[index].run(context, part: part, of: parts)
      if let times {
        let now = Clock.nowNanoseconds
        times[index] = now - start
        start = now
      }
    }
  }
}

/// Runs `body`, wrapping its error.
private func inMemory<Result: ~Copyable>(
  _ body: () throws(MemoryError) -> Result
) throws(SessionError) -> Result {
  do { return try body() } catch { throw .memory(error) }
}

/// Why a model could not be loaded.
public enum SessionError: Error, Sendable {
  case memory(MemoryError)
  case file(ModelFileError)

  public init(_ error: LoadingError) {
    switch error {
    case .memory(let error): self = .memory(error)
    case .file(let error): self = .file(error)
    }
  }

  public var message: String {
    switch self {
    case .memory(let error): error.message
    case .file(let error): error.message
    }
  }
}
