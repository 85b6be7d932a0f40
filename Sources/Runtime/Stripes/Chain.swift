import Memory
import ModelFile

/// Consecutive operators that run together, stripe by stripe of the last one's output, so that the tensors between them exist
/// only in part: each in a ring of rows.
///
/// For each stripe every member computes the rows that are still missing for it; nothing is computed twice.
public struct Chain: Sendable {
  /// The members, as indices of the graph's operators.
  public let operators: Range<Int>
  /// Rows of the last member's output that a stripe has.
  public let stripeRowCount: Int
  /// Rows of the last member's output.
  public let rowCount: Int
  /// Rows that each member's ring has; the last member's output is whole.
  let ringRowCounts: [Int]
  /// Whether the last member reads what the first one writes: then a stripe must not begin before the last has ended.
  let lastReadsFirst: Bool
  private let reads: [Read]

  /// A member reads another one's output.
  private struct Read {
    var reader: Int
    var writer: Int
    var window: RowWindow
  }

  public static let memberCountMax = 16
  /// Stripes of one chain at most: with more, stripes are higher.
  static let stripeCountMax = 512

  /// Rows by member.
  typealias Rows = SIMD16<Int32>

  /// Nil where these operators are no chain: one of them cannot run by rows, or a tensor between them is read from outside.
  public init?(_ graph: Graph, operators: Range<Int>, stripeRowCount: Int) {
    self.init(RowGraph(graph), operators: operators, stripeRowCount: stripeRowCount)
  }

  init?(_ graph: RowGraph, operators: Range<Int>, stripeRowCount wanted: Int) {
    guard (2...Chain.memberCountMax).contains(operators.count), operators.lowerBound >= 0,
      operators.upperBound <= graph.outputs.count,
      let rowCount = graph.rowCounts[graph.outputs[operators.upperBound - 1]]
    else { return nil }
    var reads: [Read] = []
    for (member, index) in operators.enumerated() {
      guard let windows = graph.windows[index] else { return nil }
      for (tensor, window) in zip(graph.operands[index], windows) where operators.contains(graph.writers[tensor]) {
        // What lies between members is read by rows, and its rows are what the window takes for rows.
        guard let window, window.rowCount == graph.rowCounts[tensor] else { return nil }
        reads.append(Read(reader: member, writer: graph.writers[tensor] - operators.lowerBound, window: window))
      }
      let last = graph.lastReaders[graph.outputs[index]]
      guard index + 1 == operators.upperBound || (last >= 0 && last < operators.upperBound) else { return nil }
    }
    self.reads = reads
    self.operators = operators
    self.rowCount = rowCount
    let least = (rowCount + Chain.stripeCountMax - 1) / Chain.stripeCountMax
    stripeRowCount = min(max(wanted, least, 1), rowCount)
    lastReadsFirst = reads.contains { $0.reader == operators.count - 1 && $0.writer == 0 }
    ringRowCounts = Chain.ringRowCounts(reads, memberCount: operators.count, rowCount, stripeRowCount)
  }

  /// Rows of the ring that an operator writes; nil for the last member's output, which is whole, and for others.
  func ringRowCount(of step: Int) -> Int? {
    let member = step - operators.lowerBound
    return ringRowCounts.indices.contains(member) ? ringRowCounts[member] : nil
  }

  public var stripeCount: Int { (rowCount + stripeRowCount - 1) / stripeRowCount }

  /// The end of the rows that each member has to have computed for the last one's first `end` rows.
  func targets(_ end: Int) -> Rows { Chain.targets(reads, operators.count, end) }

  private static func targets(_ reads: [Read], _ memberCount: Int, _ end: Int) -> Rows {
    var targets = Rows()
    targets[memberCount - 1] = Int32(end)
    // Readers stand after writers: from the last one back every target is known when it is used.
    for read in reads.reversed() {
      let needed = Int32(read.window.end(before: Int(targets[read.reader])))
      targets[read.writer] = max(targets[read.writer], needed)
    }
    return targets
  }

  /// The most rows of each member that are between the first one that is still read, or written, and the last one that is
  /// there, over all stripes.
  private static func ringRowCounts(_ reads: [Read], memberCount: Int, _ rowCount: Int, _ stripeRowCount: Int) -> [Int]
  {
    var rings = Rows(repeating: 1)
    var done = Rows()
    var end = 0
    while end < rowCount {
      end = min(rowCount, end + stripeRowCount)
      let targets = targets(reads, memberCount, end)
      var starts = done
      for read in reads {
        starts[read.writer] = min(starts[read.writer], Int32(read.window.start(from: Int(done[read.reader]))))
      }
      let present = targets &- starts
      rings.replace(with: present, where: present .> rings)
      done = targets
    }
    return (0..<memberCount - 1).map { Int(rings[$0]) }
  }
}
