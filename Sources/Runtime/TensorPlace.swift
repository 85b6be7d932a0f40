/// Where a tensor's bytes are: in the arena, or outside it for constants.
///
/// A tensor in the middle of a chain of operators is there only in part: a *ring* of rows, row y at slot y mod `ringRowCount`.
struct TensorPlace {
  private let constant: UnsafeRawPointer?
  private let offset: Int
  /// Rows in the arena at once; for a whole tensor more than any tensor has.
  private let ringRowCount: Int
  private let ringByteCount: Int

  private static let wholeRowCount = 1 << 31

  init(arenaOffset: Int) {
    self.init(arenaOffset: arenaOffset, ringRowCount: TensorPlace.wholeRowCount, rowByteCount: 0)
  }

  init(arenaOffset: Int, ringRowCount: Int, rowByteCount: Int) {
    constant = nil
    offset = arenaOffset
    self.ringRowCount = ringRowCount
    ringByteCount = ringRowCount * rowByteCount
  }

  init(constant: UnsafeRawPointer) {
    self.constant = constant
    offset = 0
    ringRowCount = TensorPlace.wholeRowCount
    ringByteCount = 0
  }

  /// Where row 0 would be if the rows that lie next to `row` went on up to there: whole tensors begin there, and offsets in
  /// the whole tensor find any row of the same run (`runEnd`).
  func read(_ context: borrowing StepContext, around row: Int = 0) -> UnsafePointer<UInt8> {
    let base = constant ?? UnsafeRawPointer(context.arena + offset)
    return (base - ringOffset(row)).assumingMemoryBound(to: UInt8.self)
  }

  /// Precondition: the tensor is not constant.
  func write(_ context: borrowing StepContext, around row: Int = 0) -> UnsafeMutablePointer<UInt8> {
    (context.arena + offset - ringOffset(row)).assumingMemoryBound(to: UInt8.self)
  }

  /// A whole tensor's rows are all in the first round: no division.
  @inline(__always)
  private func ringOffset(_ row: Int) -> Int { row < ringRowCount ? 0 : row / ringRowCount * ringByteCount }

  /// The end of the rows that lie next to each other around `row`.
  func runEnd(_ row: Int) -> Int { (row / ringRowCount + 1) * ringRowCount }
}

/// Calls `body` for parts of `items`, `perRow` of them a row, whose rows lie next to each other in all places; with the row
/// that each part begins in.
@inline(__always)
func forEachRun(
  of items: Range<Int>, perRow: Int, _ first: TensorPlace, _ second: TensorPlace, _ third: TensorPlace? = nil,
  _ body: (Range<Int>, Int) -> Void
) {
  var start = items.lowerBound
  while start < items.upperBound {
    let row = start / perRow
    let runEnd = min(first.runEnd(row), second.runEnd(row), third?.runEnd(row) ?? Int.max)
    let end = min(items.upperBound, runEnd * perRow)
    body(start..<end, row)
    start = end
  }
}
