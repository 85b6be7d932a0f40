import Importing
import Memory
import ModelFile
import Runtime
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
    let answers = [session.answers(to: inputs), session.answers(to: inputs)]
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
