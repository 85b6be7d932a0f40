import Memory
import ModelFile

/// Which buffers a graph's activations need, when each is alive, and where it lies.
public struct BufferPlacement: Sendable {
  public let buffers: [ActivationPlanner.Buffer]
  /// Where each buffer starts.
  public let offsets: [Int]
  /// Bytes of all.
  public let byteCount: Int
  /// The buffer of each tensor, which tensors may share; nil for constants and for tensors that are never used.
  public let tensorBuffers: [Int?]
  let scratchBuffers: [Int?]
  let repeatedInputBuffers: [Int?]

  public init(_ graph: Graph, threadCount: Int, chains: [Chain] = []) {
    let steps = ChainSteps(chains, operatorCount: graph.operators.count)
    self.init(graph, Plan.needs(graph, steps), steps, threadCount: threadCount)
  }

  init(_ graph: Graph, _ needs: [OperatorNeeds], _ steps: ChainSteps, threadCount: Int) {
    let table = BufferTable(graph, needs, steps, threadCount: threadCount)
    (tensorBuffers, scratchBuffers, repeatedInputBuffers) = (
      table.tensorBuffers, table.scratchBuffers, table.repeatedInputBuffers
    )
    buffers = table.buffers
    (offsets, byteCount) = ActivationPlanner.place(buffers)
  }
}

/// The buffers to be placed.
struct BufferTable {
  private(set) var buffers: [ActivationPlanner.Buffer] = []
  private(set) var tensorBuffers: [Int?] = []
  private(set) var scratchBuffers: [Int?] = []
  private(set) var repeatedInputBuffers: [Int?] = []

  init(_ graph: Graph, _ needs: [OperatorNeeds], _ steps: ChainSteps, threadCount: Int) {
    tensorBuffers = BufferOwners(graph, steps).addBuffers(of: graph, to: &self)
    for (step, needs) in needs.enumerated() {
      scratchBuffers.append(add(needs.scratchByteCountPerThread * threadCount, over: steps.span(of: step)))
      repeatedInputBuffers.append(add(needs.repeatedInputByteCount, over: step...step))
    }
  }

  mutating func add(_ byteCount: Int, from first: Int, to last: Int) -> Int {
    buffers.append(.init(byteCount: byteCount + Plan.slack, firstStep: first, lastStep: last))
    return buffers.count - 1
  }

  /// A buffer for these steps; nil for no bytes.
  mutating func add(_ byteCount: Int, over steps: ClosedRange<Int>) -> Int? {
    byteCount > 0 ? add(byteCount, from: steps.lowerBound, to: steps.upperBound) : nil
  }
}
