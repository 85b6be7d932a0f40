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
  /// The source format's name of each step, in order.
  public let stepNames: [String]
  private let weights: WeightStore
  private let arena: Arena
  private let pool: ThreadPool
  private let steps: [any Step]
  private let metadata: MemoryBudget.Reservation

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
      arenaByteCount: Mapping.roundedToPages(plan.arenaByteCount), weights: .init(of: file.graph),
      metadataByteCount: ModelFile.graphByteCount(metadataByteCount: file.metadataByteCount))
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
    do { weights = try WeightStore(file, budget: budget) } catch {
      switch error {
      case .memory(let error): throw .memory(error)
      case .file(let error): throw .file(error)
      }
    }
    let arena = try inMemory { () throws(MemoryError) in
      try Arena(byteCount: plan.arenaByteCount, for: .activations, budget: budget)
    }
    for row in plan.zeroRows {
      UnsafeMutableRawBufferPointer(start: arena.base + row.offset, count: row.byteCount + 64).initializeMemory(
        as: UInt8.self, repeating: row.value)
    }
    steps = try StepBuilder(graph: graph, plan: plan, kernels: kernels, weights: weights, arena: arena.base).build()
    stepNames = graph.operators.map { $0.name }
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

  /// Computes the outputs from the inputs. Allocates nothing.
  public func run() { pool.run(self) }
}

extension Session: Job {
  func run(part: Int, of parts: Int, barrier: borrowing Barrier) {
    let context = StepContext(arena: arena.base)
    for index in steps.indices {
      if index > 0 { barrier.wait() }
      steps[index].run(context, part: part, of: parts)
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

  public var message: String {
    switch self {
    case .memory(let error): error.message
    case .file(let error): error.message
    }
  }
}
