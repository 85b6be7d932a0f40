import ModelFile

/// Which tensors share one buffer: a reshape its operand's, and an element-wise operator's output its dying operand's.
struct BufferOwners {
  /// For each tensor the tensor whose buffer it uses.
  private var owners: [Int]
  /// Steps at which each owner's buffer is first written and last read; −1 is before the first step.
  private var first: [Int]
  private var last: [Int]
  /// Bytes of the rings of tensors within chains.
  private var ringByteCounts: [Int?]

  init(_ graph: Graph, _ chains: ChainSteps) {
    let end = graph.operators.count
    owners = Array(graph.tensors.indices)
    first = graph.tensors.map { _ in Int.max }
    last = graph.tensors.map { _ in -1 }
    for input in graph.inputs {
      first[input] = -1
    }
    ringByteCounts = graph.tensors.map { _ in nil }
    for (step, operation) in graph.operators.enumerated() {
      let span = chains.span(of: step)
      first[operation.output] = span.lowerBound
      last[operation.output] = max(last[operation.output], span.upperBound)
      for input in operation.inputs { last[input] = max(last[input], span.upperBound) }
      ringByteCounts[operation.output] = chains.ringByteCount(of: step, graph)
    }
    for output in graph.outputs { last[output] = end }
    // A chain's members run by turns: none can be sure that an operand has been read for the last time.
    for (step, operation) in graph.operators.enumerated() where !chains.contains(step) {
      share(operation, at: step, in: graph)
    }
  }

  private mutating func share(_ step: Operator, at index: Int, in graph: Graph) {
    let output = step.output
    for (position, input) in step.inputs.enumerated() where graph.tensors[input].constant == nil {
      let owner = owners[input]
      let diesHere = last[owner] == index && first[owner] >= 0
      let canShare: Bool
      switch step.operation {
      case .reshape: canShare = true
      case .lookup: canShare = diesHere
      case .arithmetic(let arithmetic):
        // The operand is read exactly where the result is written.
        let strides = position == 0 ? arithmetic.firstStrides : arithmetic.secondStrides
        canShare =
          diesHere && strides == rowMajorStrides(arithmetic.extents) && owners[step.inputs[0]] != owners[step.inputs[1]]
      default: canShare = false
      }
      if canShare && graph.tensors[input].byteCount == graph.tensors[output].byteCount {
        owners[output] = owner
        last[owner] = max(last[owner], last[output])
        return
      }
    }
  }

  /// Adds a buffer for each owner; returns each tensor's buffer, nil for constants and unused tensors.
  func addBuffers(of graph: Graph, to table: inout BufferTable) -> [Int?] {
    var buffers: [Int?] = graph.tensors.map { _ in nil }
    for (index, tensor) in graph.tensors.enumerated() where owners[index] == index {
      guard tensor.constant == nil, first[index] != Int.max else { continue }
      buffers[index] = table.add(ringByteCounts[index] ?? tensor.byteCount, from: first[index], to: last[index])
    }
    for index in graph.tensors.indices { buffers[index] = buffers[owners[index]] }
    return buffers
  }
}
