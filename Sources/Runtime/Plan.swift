import Memory
import ModelFile

/// Where everything a graph needs while it runs lies: decided from the graph alone, before anything is loaded.
public struct Plan: Sendable {
  public let threadCount: Int
  /// Operators that run together, in order.
  public let chains: [Chain]
  /// What the chains are predicted to add to an inference; less than 0 where they save time.
  public internal(set) var overheadNanoseconds = 0.0
  /// Bytes of activations and scratch memory, which share their places by lifetime; needed only while the graph runs.
  public let activationByteCount: Int
  /// Bytes of what stays the same between runs.
  public let tableByteCount: Int
  /// Where each tensor starts among the activations; nil for constants and for tensors that are never used.
  let tensorOffsets: Offsets
  /// Where each operator's scratch memory (all threads') starts, and the input whose channels a depthwise convolution has
  /// repeated.
  let scratchOffsets: Offsets
  let repeatedInputOffsets: Offsets
  /// Where each operator's channel blocks start among the tables.
  let channelBlockOffsets: Offsets
  /// One row of zero points for each value that stands for zero outside a picture.
  let zeroRows: [ZeroRow]

  struct ZeroRow: Sendable {
    var value: UInt8
    var byteCount: Int
    var offset = 0
  }

  /// Kernels may read this far past a buffer's end (THIMBLE_SLACK_BYTES).
  static let slack = 64

  /// Precondition: the chains are the graph's, in order, and have no operator in common.
  public init(_ graph: Graph, threadCount: Int, chains: [Chain] = []) {
    let steps = ChainSteps(chains, operatorCount: graph.operators.count)
    let needs = Plan.needs(graph, steps)
    let placement = BufferPlacement(graph, needs, steps, threadCount: threadCount)
    var end = 0
    func takePersistent(_ byteCount: Int) -> Int {
      let offset = end
      end += (byteCount + Plan.slack + 63) / 64 * 64
      return offset
    }
    channelBlockOffsets = Offsets(
      needs.map { $0.channelBlockByteCount > 0 ? takePersistent($0.channelBlockByteCount) : nil })
    zeroRows = Plan.zeroRows(needs).map {
      ZeroRow(value: $0.value, byteCount: $0.byteCount, offset: takePersistent($0.byteCount))
    }
    tensorOffsets = Offsets(placement.tensorBuffers.map { $0.map { placement.offsets[$0] } })
    scratchOffsets = Offsets(placement.scratchBuffers.map { $0.map { placement.offsets[$0] } })
    repeatedInputOffsets = Offsets(placement.repeatedInputBuffers.map { $0.map { placement.offsets[$0] } })
    activationByteCount = placement.byteCount
    tableByteCount = end
    self.threadCount = threadCount
    self.chains = chains
  }

  static func needs(_ graph: Graph, _ steps: ChainSteps) -> [OperatorNeeds] {
    graph.operators.enumerated().map { OperatorNeeds($1.operation, isInChain: steps.contains($0)) }
  }

  /// The longest row wanted of each value.
  private static func zeroRows(_ needs: [OperatorNeeds]) -> [ZeroRow] {
    var rows: [ZeroRow] = []
    for need in needs {
      guard let row = need.zeroRow, row.byteCount > 0 else { continue }
      if let index = rows.firstIndex(where: { $0.value == row.value }) {
        rows[index].byteCount = max(rows[index].byteCount, row.byteCount)
      } else {
        rows.append(row)
      }
    }
    return rows
  }

  /// Writes the rows of zero points into the tables.
  func fillZeroRows(_ tables: UnsafeMutableRawPointer) {
    for row in zeroRows {
      UnsafeMutableRawBufferPointer(start: tables + row.offset, count: row.byteCount + Plan.slack).initializeMemory(
        as: UInt8.self, repeating: row.value)
    }
  }

  func zeroRowOffset(of value: UInt8) -> Int { zeroRows.first { $0.value == value }?.offset ?? 0 }
}
