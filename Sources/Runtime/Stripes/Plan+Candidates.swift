import ModelFile

extension Plan {
  /// Ways to run a graph: the fastest first, the one with the least activations last; each takes less memory and more time than
  /// the one before.
  public static func candidates(_ graph: Graph, threadCount: Int) -> [Plan] {
    let whole = Plan(graph, threadCount: threadCount)
    guard whole.activationByteCount >= stripedByteCountMin, graph.operators.count <= stripedOperatorCountMax,
      graph.tensors.count <= stripedTensorCountMax
    else {
      return [whole]
    }
    var plans = [whole]
    for choice in ChainPlanner(graph, threadCount: threadCount).choices(countMax: candidateCountMax) {
      var plan = Plan(graph, threadCount: threadCount, chains: choice.chains)
      plan.overheadNanoseconds = choice.overheadNanoseconds
      plans.append(plan)
    }
    plans.sort { ($0.overheadNanoseconds, $0.activationByteCount) < ($1.overheadNanoseconds, $1.activationByteCount) }
    var best = Int.max
    return plans.filter { plan in
      defer { best = min(best, plan.activationByteCount) }
      return plan.activationByteCount < best
    }
  }

  /// Besides the plan without chains.
  private static let candidateCountMax = 5
  /// Bytes of activations below which there is too little to save.
  private static let stripedByteCountMin = 64 << 10
  /// Real networks have some hundred operators; planning must not take long for others.
  private static let stripedOperatorCountMax = 1000
  private static let stripedTensorCountMax = 4000
}
