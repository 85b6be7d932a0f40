import Memory
import ModelFile

/// Finds chains that lower the memory of a graph's activations: again and again one that lowers the peak.
///
/// Bytes alive at a step tell where the peak is. A chain changes them at its own steps alone: what is there before it, its
/// rings, its scratch memory and its output are alive together as long as it runs.
struct ChainPlanner {
  /// Chains, what they are predicted to add to an inference, and the most bytes alive at once.
  struct Choice {
    var chains: [Chain] = []
    var overheadNanoseconds = 0.0
    var peakByteCount = 0
  }

  private struct Move {
    var chain: Chain
    var overheadNanoseconds: Double
    /// Bytes alive while the chain runs, and the most at any step once it does.
    var aliveByteCount: Int
    var peakByteCount: Int
  }

  private let graph: RowGraph
  private let threadCount: Int
  private let cost: StripingCost
  /// Bytes alive at each step without chains, and those of them that are alive at the step before too.
  private let aliveByteCounts: [Int]
  private let inheritedByteCounts: [Int]
  /// Bytes of scratch memory of each operator as a member.
  private let scratchByteCounts: [Int]

  /// Members of a chain that is looked for.
  private static let memberCountMax = 8
  /// Chains made or changed, at most.
  private static let moveCountMax = 32
  /// Of moves whose peaks differ by less than this share the one that costs the least time is made.
  private static let tolerance = 16

  init(_ graph: Graph, threadCount: Int) {
    let count = graph.operators.count
    self.graph = RowGraph(graph)
    self.threadCount = threadCount
    cost = StripingCost(threadCount: threadCount)
    var changes = [Int](repeating: 0, count: count + 2)
    var inheritedChanges = changes
    let steps = ChainSteps([], operatorCount: count)
    for buffer in BufferTable(graph, Plan.needs(graph, steps), steps, threadCount: threadCount).buffers {
      let (first, last) = (buffer.firstStep, min(buffer.lastStep, count - 1))
      changes[max(0, first)] += buffer.byteCount
      changes[last + 1] -= buffer.byteCount
      if last > first {
        inheritedChanges[first + 1] += buffer.byteCount
        inheritedChanges[last + 1] -= buffer.byteCount
      }
    }
    aliveByteCounts = ChainPlanner.sums(changes[..<count])
    inheritedByteCounts = ChainPlanner.sums(inheritedChanges[..<count])
    scratchByteCounts = graph.operators.map {
      OperatorNeeds($0.operation, isInChain: true).scratchByteCountPerThread * threadCount
    }
  }

  private static func sums(_ changes: ArraySlice<Int>) -> [Int] {
    var sum = 0
    return changes.map { change in
      sum += change
      return sum
    }
  }

  /// Choices on the way from no chains, which is not among them, to the least memory, which is. At most so many, but two.
  func choices(countMax: Int) -> [Choice] {
    var choices: [Choice] = []
    var alive = aliveByteCounts
    var choice = Choice(peakByteCount: alive.max() ?? 0)
    while choices.count < ChainPlanner.moveCountMax, let move = bestMove(choice, alive) {
      let replaced = choice.chains.filter { $0.operators.overlaps(move.chain.operators) }
      for chain in replaced { choice.overheadNanoseconds -= cost.stripingNanoseconds(chain, graph) }
      choice.overheadNanoseconds += move.overheadNanoseconds
      choice.chains.removeAll { $0.operators.overlaps(move.chain.operators) }
      let position = choice.chains.firstIndex { $0.operators.lowerBound > move.chain.operators.lowerBound }
      choice.chains.insert(move.chain, at: position ?? choice.chains.count)
      for step in move.chain.operators { alive[step] = move.aliveByteCount }
      choice.peakByteCount = move.peakByteCount
      choices.append(choice)
    }
    return ChainPlanner.thinned(choices, countMax: countMax)
  }

  /// The move that brings the peak down furthest where it is now; nil where none does.
  private func bestMove(_ choice: Choice, _ alive: [Int]) -> Move? {
    guard let peak = alive.indices.max(by: { alive[$0] < alive[$1] }), alive[peak] > 0 else { return nil }
    // The most before and after each step.
    var (before, after) = (alive, alive)
    for step in alive.indices.dropFirst() { before[step] = max(before[step], before[step - 1]) }
    for step in alive.indices.dropLast().reversed() { after[step] = max(after[step], after[step + 1]) }
    var best: Move?
    for first in max(0, peak + 1 - ChainPlanner.memberCountMax)...peak {
      let ends = max(peak, first + 1) + 1...max(first + ChainPlanner.memberCountMax, peak + 1)
      for end in ends where end <= alive.count {
        let isAllowed = choice.chains.allSatisfy {
          !$0.operators.overlaps(first..<end) || $0.operators.clamped(to: first..<end) == $0.operators
        }
        if !isAllowed { continue }
        let outside = max(first > 0 ? before[first - 1] : 0, end < alive.count ? after[end] : 0)
        addMoves(first..<end, outside: outside, below: alive[peak], to: &best)
      }
    }
    return best
  }

  /// Tries stripes of several heights, the lowest first: members before a stride have more rows, so that half a row a thread
  /// leaves few threads idle.
  private func addMoves(_ operators: Range<Int>, outside: Int, below limit: Int, to best: inout Move?) {
    var height = (threadCount + 1) / 2
    while let chain = Chain(graph, operators: operators, stripeRowCount: height), chain.stripeCount > 1,
      isWorthwhile(chain)
    {
      let alive = aliveByteCount(chain)
      // Higher stripes take more.
      if alive >= limit { return }
      let move = Move(
        chain: chain, overheadNanoseconds: cost.stripingNanoseconds(chain, graph), aliveByteCount: alive,
        peakByteCount: max(alive, outside))
      if best.map({ isBetter(move, $0) }) ?? true { best = move }
      height *= 2
    }
  }

  private func isBetter(_ move: Move, _ other: Move) -> Bool {
    let difference = abs(move.peakByteCount - other.peakByteCount)
    if difference <= max(move.peakByteCount, other.peakByteCount) / ChainPlanner.tolerance {
      return (move.overheadNanoseconds, move.aliveByteCount) < (other.overheadNanoseconds, other.aliveByteCount)
    }
    return move.peakByteCount < other.peakByteCount
  }

  private func aliveByteCount(_ chain: Chain) -> Int {
    var sum = inheritedByteCounts[chain.operators.lowerBound]
    for index in chain.operators {
      let tensor = graph.outputs[index]
      let rowByteCount = graph.byteCounts[tensor] / graph.rowCounts[tensor]!
      let rows = chain.ringRowCount(of: index) ?? graph.rowCounts[tensor]!
      sum += rows * rowByteCount + Plan.slack
      if scratchByteCounts[index] > 0 { sum += scratchByteCounts[index] + Plan.slack }
    }
    return sum
  }

  /// A chain's weights stay in memory together while it runs: they must be less than the tensors that do not.
  private func isWorthwhile(_ chain: Chain) -> Bool {
    var (weights, tensors) = (0, 0)
    for index in chain.operators {
      weights += graph.weightByteCounts[index]
      if index + 1 < chain.operators.upperBound { tensors += graph.byteCounts[graph.outputs[index]] }
    }
    return weights < tensors
  }

  /// The first and the last choice, and others evenly between them.
  private static func thinned(_ choices: [Choice], countMax: Int) -> [Choice] {
    guard choices.count > countMax else { return choices }
    return (0..<countMax).map { choices[$0 * (choices.count - 1) / (countMax - 1)] }
  }
}
