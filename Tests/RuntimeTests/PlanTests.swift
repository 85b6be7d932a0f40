import Importing
import Memory
import ModelFile
import Runtime
import Tensors
import TestSupport
import Testing

/// No two things that are alive at once lie on one another.
@Suite struct PlanTests {
  /// Lifetimes as the graph alone gives them: written at, last read at. Outputs live to the end.
  private func lifetimes(_ graph: Graph) -> [(first: Int, last: Int)?] {
    var lifetimes: [(first: Int, last: Int)?] = graph.tensors.map { _ in nil }
    for input in graph.inputs { lifetimes[input] = (-1, -1) }
    for (index, step) in graph.operators.enumerated() {
      lifetimes[step.output] = (index, index)
      for input in step.inputs where graph.tensors[input].constant == nil {
        lifetimes[input]!.last = max(lifetimes[input]!.last, index)
      }
    }
    for output in graph.outputs { lifetimes[output]!.last = graph.operators.count }
    return lifetimes
  }

  private func check(_ graph: Graph, _ name: String) {
    for threadCount in [1, 4] {
      let placement = BufferPlacement(graph, threadCount: threadCount)
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
      checkSharing(graph, placement, name)
    }
  }

  /// Tensors of one buffer hold the same bytes (reshapes) or take turns; an operator's operands are whole when it reads them.
  private func checkSharing(_ graph: Graph, _ placement: BufferPlacement, _ name: String) {
    let lifetimes = lifetimes(graph)
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
          && buffer.byteCount >= graph.tensors[a].byteCount)
      for b in 0..<a where placement.tensorBuffers[a] == placement.tensorBuffers[b] && sources[a] != sources[b] {
        let second = lifetimes[b]!
        #expect(
          first.last <= second.first || second.last <= first.first, "\(name): tensors \(a) and \(b) share a buffer")
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
