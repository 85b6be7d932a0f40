import Tensors

extension InferenceOutput {
  /// Writes the highest elements as a BYTES tensor of shape [k], or [batch, k].
  ///
  /// In binary each is its length (u32, little-endian) and its bytes; in JSON a string.
  func writeClassification(
    _ classification: Classification, elements: Int, to writer: inout JSONWriter,
    parts: inout [EncodedInference.Part]
  ) {
    let rows = classification.hasBatchDimension ? (shape.dimensions.first ?? 1) : 1
    let rowElements = rows > 0 ? elements / rows : 0
    let count = min(max(classification.count, 0), rowElements)
    writer.beginObject()
    writer.member("name", name)
    writer.member("datatype", "BYTES")
    writer.member("shape", classification.hasBatchDimension ? [rows, count] : [count])
    if isBinary {
      var encoded: [UInt8] = []
      forEachClass(classification, rows: rows, rowElements: rowElements, count: count) { text in
        let length = UInt32(truncatingIfNeeded: text.utf8.count)
        for shift in [0, 8, 16, 24] as [UInt32] { encoded.append(UInt8(truncatingIfNeeded: length >> shift)) }
        encoded.append(contentsOf: text.utf8)
      }
      writer.binaryDataSize(encoded.count)
      parts.append(.bytes(encoded))
    } else {
      writer.key("data")
      writer.beginArray()
      forEachClass(classification, rows: rows, rowElements: rowElements, count: count) { writer.string($0) }
      writer.endArray()
    }
    writer.endObject()
  }

  private func forEachClass(
    _ classification: Classification, rows: Int, rowElements: Int, count: Int, body: (String) -> Void
  ) {
    guard count > 0 else { return }
    for row in 0..<rows {
      let start = row * rowElements
      for index in highest(count, of: start..<(start + rowElements)) {
        let place = index - start
        var text = valueText(at: index) + ":\(place)"
        if place < classification.labels.count { text += ":" + classification.labels[place] }
        body(text)
      }
    }
  }

  /// Floats as C's `%f` prints them, integers as they are.
  private func valueText(at index: Int) -> String {
    elementType == .float32 ? FixedDecimal.sixDecimals(float(at: index)) : "\(integer(at: index))"
  }

  /// Indices of the highest elements, highest first; of equal ones the lower index first; NaN below everything.
  private func highest(_ count: Int, of range: Range<Int>) -> [Int] {
    guard count > 0 else { return [] }
    // A heap of the best so far with the worst of them on top: O(n log k) and k indices of memory.
    var heap: [Int] = []
    heap.reserveCapacity(count)
    for index in range {
      if heap.count < count {
        heap.append(index)
        siftUp(&heap)
      } else if isHigher(index, heap[0]) {
        heap[0] = index
        siftDown(&heap)
      }
    }
    return heap.sorted { isHigher($0, $1) }
  }

  private func siftUp(_ heap: inout [Int]) {
    var child = heap.count - 1
    while child > 0, isHigher(heap[(child - 1) / 2], heap[child]) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  private func siftDown(_ heap: inout [Int]) {
    var parent = 0
    while true {
      var worst = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isHigher(heap[worst], heap[child]) {
        worst = child
      }
      guard worst != parent else { return }
      heap.swapAt(parent, worst)
      parent = worst
    }
  }

  /// Whether the element at `a` comes before the one at `b`: a total order.
  private func isHigher(_ a: Int, _ b: Int) -> Bool {
    if elementType == .float32 {
      let (x, y) = (float(at: a), float(at: b))
      if x.isNaN || y.isNaN { return x.isNaN == y.isNaN ? a < b : y.isNaN }
      return x == y ? a < b : x > y
    }
    let (x, y) = (integer(at: a), integer(at: b))
    return x == y ? a < b : x > y
  }
}
