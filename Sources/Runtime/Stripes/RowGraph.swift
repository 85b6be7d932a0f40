import ModelFile

/// What chains are made from: how the operators of a graph read and write rows.
struct RowGraph {
  /// For each operator the windows of its operands; nil where it cannot run by rows.
  let windows: [[RowWindow?]?]
  let operands: [[Int]]
  let outputs: [Int]
  /// For each tensor: the operator that writes it, −1 for none, and the last that reads it, −1 for none; `operators.count` for
  /// the graph's outputs.
  let writers: [Int]
  let lastReaders: [Int]
  let rowCounts: [Int?]
  let byteCounts: [Int]
  /// Bytes of each operator's decoded weights.
  let weightByteCounts: [Int]

  init(_ graph: Graph) {
    var writers = graph.tensors.map { _ in -1 }
    var lastReaders = writers
    for (index, step) in graph.operators.enumerated() {
      writers[step.output] = index
      for input in step.inputs { lastReaders[input] = index }
    }
    for output in graph.outputs { lastReaders[output] = graph.operators.count }
    self.writers = writers
    self.lastReaders = lastReaders
    windows = graph.operators.map { $0.rowWindows(graph) }
    operands = graph.operators.map { $0.inputs }
    outputs = graph.operators.map { $0.output }
    rowCounts = graph.tensors.map { $0.pictureRowCount }
    byteCounts = graph.tensors.map { $0.byteCount }
    weightByteCounts = graph.operators.map { step in step.operation.weights.map { graph.blobs[$0].byteCount } ?? 0 }
  }
}
