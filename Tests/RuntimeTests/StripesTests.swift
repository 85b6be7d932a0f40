import Importing
import Memory
import ModelFile
import Runtime
import Tensors
import TestSupport
import Testing

/// Chains that run stripe by stripe give the bytes that whole layers give.
@Suite struct StripesTests {
  private func inputs(_ session: Session, seed: UInt64) -> [[UInt8]] {
    var random = XorShift(seed)
    return session.inputs.map { random.bytes($0.byteCount) }
  }

  /// What a model answers with these chains, twice on the same session.
  private func answers(
    _ model: ImportedModel, _ chains: [Chain], _ kernels: Kernels, _ pool: ThreadPool, _ budget: MemoryBudget,
    memoryByteCount: Int? = nil
  ) throws -> [[[UInt8]]] {
    let plan = Plan(model.graph, threadCount: pool.threadCount, chains: chains)
    let session = try Session(
      try model.opened(memoryByteCount == nil ? .none : .always), kernels: kernels, pool: pool, budget: budget,
      memoryByteCount: memoryByteCount, plans: [plan])
    let inputs = inputs(session, seed: 9)
    let answers = [session.answers(to: inputs), session.answers(to: inputs, threadLimit: max(1, pool.threadCount - 1))]
    try session.checkFile()
    return answers
  }

  /// Every plan of every model, with all weights there and with as few as possible.
  @Test(arguments: SharedFiles.models) func plansOfModelsAgree(_ path: String) throws {
    let model = try importModel(try SharedFiles.bytes(path))
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    let single = try ThreadPool(threadCount: 1, budget: budget)
    let expected = try answers(model, [], .best, single, budget)[0]
    for threadCount in 1...4 {
      let pool = try ThreadPool(threadCount: threadCount, budget: budget)
      let plans = Plan.candidates(model.graph, threadCount: threadCount)
      for (number, plan) in plans.enumerated() where !plan.chains.isEmpty {
        let file = try model.opened(.always)
        let least = try leastByteCount(file, plan.chains, threadCount)
        for memory in [nil, least] {
          for answer in try answers(model, plan.chains, .best, pool, budget, memoryByteCount: memory) {
            if let text = difference(answer, expected) {
              Issue.record("\(path), plan \(number), \(threadCount) threads, \(memory ?? 0) bytes: \(text)")
            }
          }
        }
      }
    }
  }

  /// Random networks, with random chains and stripes of every height.
  @Test(arguments: 0..<8) func randomChainsAgree(_ group: Int) throws {
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    let pools = try (1...4).map { try ThreadPool(threadCount: $0, budget: budget) }
    var counts: [Int: Int] = [:]
    for index in 0..<(ConformanceTests.isOptimized ? 150 : 25) {
      var random = XorShift(UInt64(group * 1000 + index + 1))
      let model = RandomChain.model(seed: random.next(), operatorCount: 2 + random.below(8))
      let chains = chains(of: model.graph, &random)
      for chain in chains { counts[chain.operators.count, default: 0] += 1 }
      let expected = try answers(model, [], Kernels.all[0], pools[0], budget)[0]
      for kernels in Kernels.supported {
        let pool = pools[random.below(4)]
        for memory in [nil, try leastByteCount(try model.opened(.always), chains, pool.threadCount)] {
          for answer in try answers(model, chains, kernels, pool, budget, memoryByteCount: memory) {
            if let text = difference(answer, expected) {
              let names = model.graph.operators.map { $0.name }
              Issue.record(
                """
                network \(group):\(index) \(names), chains \(chains.map { ($0.operators, $0.stripeRowCount) }), \
                \(kernels.name), \(pool.threadCount) threads, \(memory ?? 0) bytes: \(text)
                """)
              return
            }
          }
        }
      }
    }
    // Chains of all kinds were among them.
    #expect(counts.keys.contains(2) && counts.keys.contains { $0 > 4 })
  }

  /// Plans go from the fastest to the smallest, and the smallest is small: the first wide tensors of MobileNetV2 and the last of
  /// DeepLab are never whole.
  @Test(.enabled(if: SharedFiles.arePresent, "no models"), arguments: [1, 2, 4])
  func plansTakeLessAndLess(_ threadCount: Int) throws {
    for (name, activationByteCount) in [
      ("tf2_mobilenet_v2_1.0_224_ptq", 450_000), ("deeplabv3_mnv2_dm05_pascal_quant", 2_400_000),
    ] {
      let model = try importModel(try SharedFiles.bytes("\(SharedFiles.root)/models/\(name).tflite"))
      let plans = Plan.candidates(model.graph, threadCount: threadCount)
      #expect((2...6).contains(plans.count))
      for (plan, next) in zip(plans, plans.dropFirst()) {
        #expect(plan.activationByteCount > next.activationByteCount)
        #expect(plan.overheadNanoseconds <= next.overheadNanoseconds)
      }
      #expect(plans.last!.activationByteCount <= activationByteCount, "\(name)")
      // They are what a small memory is planned with.
      let file = try model.opened(.always)
      #expect(!MemoryPlan.least(file, threadCount: threadCount).plan.chains.isEmpty)
      let whole = Plan(model.graph, threadCount: threadCount)
      let least = try leastByteCount(file, [], threadCount)
      let budget = MemoryBudget(limitByteCount: 1 << 30)
      let plan = try MemoryPlan(file, threadCount: threadCount, availableByteCount: least - 4096, budget)
      #expect(plan.plan.activationByteCount < whole.activationByteCount && plan.peakByteCount <= least - 4096)
    }
  }

  /// What is no chain: one operator, an operator that needs all rows, a tensor that others read.
  @Test func chainsAreRefused() throws {
    let tensor = TensorInfo(name: "t", elementType: .uint8, shape: Shape([1, 8, 4, 2]))
    func lookup(_ from: Int, _ to: Int) -> Operator {
      Operator(name: "T", operation: .lookup([UInt8](repeating: 1, count: 256)), inputs: [from], output: to)
    }
    var graph = Graph(
      name: "g", tensors: (0..<5).map { _ in tensor },
      operators: [lookup(0, 1), lookup(1, 2), lookup(2, 3), lookup(3, 4)], inputs: [0], outputs: [4], blobs: [])
    func isChain(_ operators: Range<Int>) -> Bool { Chain(graph, operators: operators, stripeRowCount: 3) != nil }
    #expect(isChain(0..<4) && isChain(1..<3) && !isChain(0..<1) && !isChain(2..<5) && !isChain(-1..<2))
    graph.outputs = [4, 1]
    #expect(!isChain(0..<4) && isChain(1..<4))
    graph.operators[3].inputs = [1]
    graph.outputs = [4]
    #expect(!isChain(0..<3) && isChain(1..<3) && !isChain(2..<4))
    graph.operators[3] = lookup(3, 4)
    graph.operators[1].operation = .reshape
    #expect(!isChain(0..<2) && isChain(2..<4))
    graph.operators[1] = lookup(1, 2)
    // Rows that the neighbours count in other ways.
    graph.tensors[2].shape = Shape([1, 4, 8, 2])
    #expect(!isChain(1..<3))
    // Two pictures.
    graph.tensors[2].shape = Shape([2, 4, 4, 2])
    #expect(!isChain(0..<2) && !isChain(1..<3))
  }

  /// Planning is bounded, whatever the graph: the greatest number of operators for which chains are looked for, of most rows.
  @Test(.timeLimit(.minutes(2))) func planningIsBounded() {
    for (count, rows) in [(1000, 1 << 20), (1000, 3), (4000, 1 << 20)] {
      let tensor = TensorInfo(name: "t", elementType: .uint8, shape: Shape([1, rows, 1, 1 << 20 / rows]))
      let sum = Arithmetic(
        kind: .add, extents: [tensor.byteCount], firstStrides: [1], secondStrides: [1], firstZeroPoint: 0,
        secondZeroPoint: 0, outputZeroPoint: 0, firstFactor: .init(multiplier: 0, shift: 0),
        secondFactor: .init(multiplier: 0, shift: 0), outputFactor: .init(multiplier: 0, shift: 0), clampMin: 0,
        clampMax: 255, fusedForm: nil)
      let graph = Graph(
        name: "g", tensors: (0...count).map { _ in tensor },
        operators: (0..<count).map {
          Operator(name: "ADD", operation: .arithmetic(sum), inputs: [$0, max(0, $0 - 2)], output: $0 + 1)
        }, inputs: [0], outputs: [count], blobs: [])
      let plans = Plan.candidates(graph, threadCount: 2)
      #expect(plans.count <= 6 && plans[0].chains.isEmpty)
      #expect(count <= 1000 || plans.count == 1)
    }
  }

  /// As many operators as can be chained, from a random one on; then the same again behind it.
  private func chains(of graph: Graph, _ random: inout XorShift) -> [Chain] {
    var chains: [Chain] = []
    var first = random.below(3) == 0 ? random.below(graph.operators.count) : 0
    while first < graph.operators.count {
      let height = 1 + random.below([1, 2, 5, 40][random.below(4)])
      let ends = (first..<graph.operators.count).map { $0 + 1 }
      let possible = ends.compactMap { Chain(graph, operators: first..<$0, stripeRowCount: height) }
      if let chain = random.below(4) == 0 ? possible.first : possible.last {
        chains.append(chain)
        first = chain.operators.upperBound
      } else {
        first += 1
      }
    }
    return chains
  }

  /// The least memory in which a plan runs: found by the refusal of none.
  private func leastByteCount(_ file: borrowing ModelFile, _ chains: [Chain], _ threadCount: Int) throws -> Int {
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    let plan = Plan(file.graph, threadCount: threadCount, chains: chains)
    do throws(MemoryError) {
      _ = try MemoryPlan(file, threadCount: threadCount, availableByteCount: 0, plans: [plan], budget)
    } catch {
      if case .doesNotFit(let needed, _, _) = error { return needed }
    }
    return 0
  }
}
