import Importing
import Memory
import ModelFile
import Runtime
import Tensors
import TestSupport
import Testing

/// No two things that are alive at once lie on one another.
@Suite struct PlanTests {
  /// Lifetimes as the graph alone gives them: written at, last read at. Outputs live to the end. What a chain's members write
  /// and read is needed as long as the chain runs.
  private func lifetimes(_ graph: Graph, _ chains: [Chain]) -> [(first: Int, last: Int)?] {
    var lifetimes: [(first: Int, last: Int)?] = graph.tensors.map { _ in nil }
    for input in graph.inputs { lifetimes[input] = (-1, -1) }
    for (index, step) in graph.operators.enumerated() {
      let chain = chains.first { $0.operators.contains(index) }?.operators ?? index..<index + 1
      lifetimes[step.output] = (chain.lowerBound, chain.upperBound - 1)
      for input in step.inputs where graph.tensors[input].constant == nil {
        lifetimes[input]!.last = max(lifetimes[input]!.last, chain.upperBound - 1)
      }
    }
    for output in graph.outputs { lifetimes[output]!.last = graph.operators.count }
    return lifetimes
  }

  /// The graph without chains, with those of its plans, and with those given.
  private func check(_ graph: Graph, _ name: String, chains: [Chain] = []) {
    for threadCount in [1, 4] {
      let plans = Plan.candidates(graph, threadCount: threadCount)
      for chains in [[], chains] + plans.map({ $0.chains }) {
        let placement = BufferPlacement(graph, threadCount: threadCount, chains: chains)
        for (index, buffer) in placement.buffers.enumerated() {
          #expect(placement.offsets[index] % 64 == 0)
          #expect(placement.offsets[index] + buffer.byteCount <= placement.byteCount)
          for other in 0..<index {
            let next = placement.buffers[other]
            guard buffer.firstStep <= next.lastStep, next.firstStep <= buffer.lastStep else { continue }
            let (a, b) = (placement.offsets[index], placement.offsets[other])
            #expect(a + buffer.byteCount <= b || b + next.byteCount <= a, "\(name): buffers \(index) and \(other)")
          }
        }
        checkSharing(graph, chains, placement, name)
      }
    }
  }

  /// Tensors of one buffer hold the same bytes (reshapes) or take turns; an operator's operands are whole when it reads them,
  /// unless they are within a chain.
  private func checkSharing(_ graph: Graph, _ chains: [Chain], _ placement: BufferPlacement, _ name: String) {
    let lifetimes = lifetimes(graph, chains)
    let inner = Set(chains.flatMap { $0.operators.dropLast().map { graph.operators[$0].output } })
    var sources = Array(graph.tensors.indices)
    for step in graph.operators {
      if case .reshape = step.operation, graph.tensors[step.inputs[0]].constant == nil {
        sources[step.output] = sources[step.inputs[0]]
      }
    }
    for (a, first) in lifetimes.enumerated() {
      guard let first else { continue }
      let buffer = placement.buffers[placement.tensorBuffers[a]!]
      #expect(
        buffer.firstStep <= first.first && buffer.lastStep >= first.last
          && (buffer.byteCount >= graph.tensors[a].byteCount || inner.contains(a)))
      for b in 0..<a where placement.tensorBuffers[a] == placement.tensorBuffers[b] && sources[a] != sources[b] {
        let second = lifetimes[b]!
        // Members of one chain run by turns: they share nothing.
        let takeTurns = first.last <= second.first || second.last <= first.first
        #expect(takeTurns && !inner.contains(a), "\(name): tensors \(a) and \(b) share a buffer")
      }
    }
  }

  @Test func randomChainsHaveNoOverlap() {
    for seed in 1...100 {
      let graph = RandomChain.model(seed: UInt64(seed), operatorCount: 6).graph
      let ranges = (0..<graph.operators.count).flatMap { first in
        (first + 1...graph.operators.count).map { first..<$0 }
      }
      for range in ranges {
        guard let chain = Chain(graph, operators: range, stripeRowCount: 1 + seed % 7) else { continue }
        check(graph, "network \(seed)", chains: [chain])
      }
    }
  }

  @Test(arguments: SharedFiles.models) func modelsHaveNoOverlap(_ path: String) throws {
    check(try importModel(try SharedFiles.bytes(path)).graph, path)
  }

  @Test func operatorsHaveNoOverlap() throws {
    for file in OperatorCases.files {
      for item in try OperatorCases.read(file) { check(try importModel(item.model).graph, item.name) }
    }
  }

  /// A chain of tables and sums runs in one buffer, and gives what it gives without sharing.
  @Test func elementwiseChainsRunInPlace() throws {
    let tensor = TensorInfo(
      name: "t", elementType: .uint8, shape: Shape([1000]), quantization: Quantization(scale: 1, zeroPoint: 0))
    let tables = (1...3).map { step in (0..<256).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ step) } }
    func lookup(_ step: Int, _ from: Int, _ to: Int) -> Operator {
      Operator(name: "T\(step)", operation: .lookup(tables[step]), inputs: [from], output: to)
    }
    var graph = Graph(
      name: "chain", tensors: (0..<5).map { _ in tensor },
      operators: [
        lookup(0, 0, 1), lookup(1, 1, 2), Operator(name: "R", operation: .reshape, inputs: [2], output: 3),
        lookup(2, 3, 4),
      ], inputs: [0], outputs: [4], blobs: [])
    let inputs = [XorShift(1)].map { random in
      var random = random
      return random.bytes(1000)
    }
    var expected = inputs[0].map { tables[2][Int(tables[1][Int(tables[0][Int($0)])])] }
    var placement = BufferPlacement(graph, threadCount: 1)
    #expect(Set(placement.tensorBuffers[1...].map { $0! }).count == 1 && placement.buffers.count == 2)
    try check(graph, inputs, [expected])
    // Tensor 1 is an output too: it keeps a buffer of its own.
    graph.outputs = [4, 1]
    placement = BufferPlacement(graph, threadCount: 1)
    #expect(placement.tensorBuffers[1] != placement.tensorBuffers[2] && placement.buffers.count == 3)
    try check(graph, inputs, [expected, inputs[0].map { tables[0][Int($0)] }])
    // Its reshape is read after the table has run: no sharing either.
    graph.operators[3].inputs = [2]
    graph.outputs = [4, 3]
    placement = BufferPlacement(graph, threadCount: 1)
    #expect(
      placement.tensorBuffers[3] == placement.tensorBuffers[2]
        && placement.tensorBuffers[4] != placement.tensorBuffers[2])
    expected = inputs[0].map { tables[1][Int(tables[0][Int($0)])] }
    try check(graph, inputs, [expected.map { tables[2][Int($0)] }, expected])
  }

  private func check(_ graph: Graph, _ inputs: [[UInt8]], _ expected: [[UInt8]]) throws {
    let budget = MemoryBudget(limitByteCount: 1 << 28)
    let pool = try ThreadPool(threadCount: 2, budget: budget)
    let model = ImportedModel(graph: graph, payloads: [])
    let session = try Session(try model.opened(), kernels: .best, pool: pool, budget: budget)
    #expect(difference(session.answers(to: inputs), expected) == nil)
    #expect(difference(session.answers(to: inputs), expected) == nil)
  }
}
