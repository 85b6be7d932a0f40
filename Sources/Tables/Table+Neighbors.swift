import CKernels
import ModelFile
import Tensors

/// The rows with the highest scores so far, best first; of equal ones the lower row.
public struct NeighborList {
  /// Row numbers; −1: none.
  private let rows: UnsafeMutableBufferPointer<Int64>
  private let scores: UnsafeMutableBufferPointer<Float>
  private var count = 0

  /// Lists as many as the buffers, which are alike and not empty, have room for.
  public init(rows: UnsafeMutableBufferPointer<Int64>, scores: UnsafeMutableBufferPointer<Float>) {
    rows.initialize(repeating: -1)
    scores.initialize(repeating: 0)
    (self.rows, self.scores) = (rows, scores)
  }

  /// Rows come in ascending order. What is not a number is no neighbor.
  mutating func offer(_ row: Int, _ score: Float) {
    if count == rows.count {
      guard score > scores[count - 1] else { return }
    } else {
      guard score == score else { return }
      count += 1
    }
    var place = count - 1
    while place > 0, score > scores[place - 1] {
      (rows[place], scores[place]) = (rows[place - 1], scores[place - 1])
      place -= 1
    }
    (rows[place], scores[place]) = (Int64(row), score)
  }
}

extension Table {
  /// The column of vectors, `vector`; nil: the table has none.
  public var vectorColumn: Int? {
    columns.firstIndex { $0.name == "vector" && ($0.elementType == .float32 || $0.elementType == .int8) }
  }

  /// What an INT8 vector's elements are multiplied with, `scale`.
  private var scaleColumn: Int? {
    columns.firstIndex { $0.name == "scale" && $0.elementType == .float32 && $0.width == 1 }
  }

  /// Compares queries, each as long as a vector, with all rows: the score is the dot product, times the row's scale. Sums go in
  /// an order of their own, the same on every processor. Returns false where `isCancelled` has said so.
  public func findNeighbors(
    of queries: [UnsafeBufferPointer<Float>], into lists: inout [NeighborList], unless isCancelled: () -> Bool
  ) throws(ModelFileError) -> Bool {
    guard let column = vectorColumn else { return true }
    let width = columns[column].width
    let isFloat = columns[column].elementType == .float32
    let scale = isFloat ? nil : scaleColumn
    // A walk through more than is kept would only turn out what look-ups use.
    let keeps = cacheByteCount >= cacheByteCountMax
    for number in 0..<blockCount {
      if isCancelled() { return false }
      let block = try block(number, keeps: keeps)
      let vectors = block.elements(of: column)
      let scales = scale.map { block.elements(of: $0) }
      for row in 0..<block.rowCount {
        let vector = vectors.baseAddress! + row * (isFloat ? 4 * width : width)
        let factor = scales.map { Float(bitPattern: $0.loadUnaligned(fromByteOffset: 4 * row, as: UInt32.self)) } ?? 1
        for (query, values) in queries.enumerated() {
          let product =
            isFloat
            ? thimble_dot_f32(values.baseAddress!, vector, width)
            : thimble_dot_i8(values.baseAddress!, vector.assumingMemoryBound(to: Int8.self), width)
          lists[query].offer(index.blocks[number].firstRow + row, product * factor)
        }
      }
    }
    return true
  }
}
