import Tensors

extension InferenceResponse {
  /// `{"predictions":[…]}` or `{"outputs":…}`; with more than one output objects with a member for each.
  func predictionJSON() throws(ProtocolError) -> [UInt8] {
    var writer = JSONWriter()
    writer.bytes.reserveCapacity(encodedBytesMax)
    writer.beginObject()
    writer.key(form == .rows ? "predictions" : "outputs")
    if form == .columns || outputs.count == 1 {
      try write(row: nil, to: &writer)
    } else {
      let rowCount = outputs.reduce(Int.max) { min($0, $1.shape.dimensions.first ?? 1) }
      writer.beginArray()
      for row in 0..<max(0, rowCount) { try write(row: row, to: &writer) }
      writer.endArray()
    }
    writer.endObject()
    return writer.bytes
  }

  /// All outputs, or what is of one row of them.
  private func write(row: Int?, to writer: inout JSONWriter) throws(ProtocolError) {
    if outputs.count == 1 { return try outputs[0].writeNested(row: row, to: &writer) }
    writer.beginObject()
    for output in outputs {
      writer.key(output.name)
      try output.writeNested(row: row, to: &writer)
    }
    writer.endObject()
  }
}

extension InferenceOutput {
  fileprivate func writeNested(row: Int?, to writer: inout JSONWriter) throws(ProtocolError) {
    let elements = try checkedElementCount()
    let dimensions = shape.dimensions[...]
    guard let row, let rowCount = dimensions.first, rowCount > 0 else {
      return try writeNested(0..<elements, dimensions, to: &writer)
    }
    let size = elements / rowCount
    try writeNested(row * size..<(row + 1) * size, dimensions.dropFirst(), to: &writer)
  }

  private func writeNested(
    _ range: Range<Int>, _ dimensions: ArraySlice<Int>, to writer: inout JSONWriter
  ) throws(ProtocolError) {
    guard let count = dimensions.first else { return try writeElements(range, to: &writer) }
    writer.beginArray()
    if dimensions.count == 1 {
      try writeElements(range, to: &writer)
    } else {
      for index in 0..<count {
        let size = range.count / count
        let start = range.lowerBound + index * size
        try writeNested(start..<start + size, dimensions.dropFirst(), to: &writer)
      }
    }
    writer.endArray()
  }
}
