import ModelFile

/// When operators run, some of them in chains: the members of a chain all run from its first to its last step.
struct ChainSteps {
  let chains: [Chain]
  /// For each operator the number of its chain; −1 for none.
  private let numbers: [Int]

  /// Precondition: no two chains have an operator in common.
  init(_ chains: [Chain], operatorCount: Int) {
    var numbers = [Int](repeating: -1, count: operatorCount)
    for (number, chain) in chains.enumerated() {
      for index in chain.operators { numbers[index] = number }
    }
    self.chains = chains
    self.numbers = numbers
  }

  func contains(_ step: Int) -> Bool { numbers[step] >= 0 }

  func chain(of step: Int) -> Chain? { numbers[step] < 0 ? nil : chains[numbers[step]] }

  /// The first and the last step at which what an operator needs must be there.
  func span(of step: Int) -> ClosedRange<Int> {
    guard let chain = chain(of: step) else { return step...step }
    return chain.operators.lowerBound...chain.operators.upperBound - 1
  }

  /// Bytes of what an operator writes where that is a ring.
  func ringByteCount(of step: Int, _ graph: Graph) -> Int? {
    guard let chain = chain(of: step) else { return nil }
    let tensor = graph.tensors[graph.operators[step].output]
    return chain.ringRowCount(of: step).map { tensor.byteCount / tensor.pictureRowCount! * $0 }
  }
}
