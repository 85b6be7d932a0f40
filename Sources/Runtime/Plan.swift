import Memory
import ModelFile

/// Where everything a graph needs while it runs lies: decided from the graph alone, before anything is loaded.
public struct Plan: Sendable {
  public let threadCount: Int
  /// Bytes of activations and scratch memory, which share their places by lifetime; needed only while the graph runs.
  public let activationByteCount: Int
  /// Bytes of what stays the same between runs.
  public let tableByteCount: Int
  /// Where each tensor starts among the activations; nil for constants and for tensors that are never used.
  let tensorOffsets: [Int?]
  /// Where each operator's scratch memory (all threads') starts, and the input whose channels a depthwise convolution has
  /// repeated.
  let scratchOffsets: [Int?]
  let repeatedInputOffsets: [Int?]
  /// Where each operator's channel blocks start among the tables.
  let channelBlockOffsets: [Int?]
  /// One row of zero points for each value that stands for zero outside a picture.
  let zeroRows: [ZeroRow]

  struct ZeroRow: Sendable {
    var value: UInt8
    var byteCount: Int
    var offset = 0
  }

  /// Kernels may read this far past a buffer's end (THIMBLE_SLACK_BYTES).
  static let slack = 64

  public init(_ graph: Graph, threadCount: Int) {
    let needs = graph.operators.map { OperatorNeeds($0.operation) }
    let placement = BufferPlacement(graph, needs, threadCount: threadCount)
    var end = 0
    func takePersistent(_ byteCount: Int) -> Int {
      let offset = end
      end += (byteCount + Plan.slack + 63) / 64 * 64
      return offset
    }
    channelBlockOffsets = needs.map { $0.channelBlockByteCount > 0 ? takePersistent($0.channelBlockByteCount) : nil }
    zeroRows = Plan.zeroRows(needs).map {
      ZeroRow(value: $0.value, byteCount: $0.byteCount, offset: takePersistent($0.byteCount))
    }
    tensorOffsets = placement.tensorBuffers.map { $0.map { placement.offsets[$0] } }
    scratchOffsets = placement.scratchBuffers.map { $0.map { placement.offsets[$0] } }
    repeatedInputOffsets = placement.repeatedInputBuffers.map { $0.map { placement.offsets[$0] } }
    activationByteCount = placement.byteCount
    tableByteCount = end
    self.threadCount = threadCount
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

/// Which buffers a graph's activations need, when each is alive, and where it lies.
public struct BufferPlacement: Sendable {
  public let buffers: [ActivationPlanner.Buffer]
  /// Where each buffer starts.
  public let offsets: [Int]
  /// Bytes of all.
  public let byteCount: Int
  /// The buffer of each tensor, which tensors may share; nil for constants and for tensors that are never used.
  public let tensorBuffers: [Int?]
  let scratchBuffers: [Int?]
  let repeatedInputBuffers: [Int?]

  public init(_ graph: Graph, threadCount: Int) {
    self.init(graph, graph.operators.map { OperatorNeeds($0.operation) }, threadCount: threadCount)
  }

  fileprivate init(_ graph: Graph, _ needs: [OperatorNeeds], threadCount: Int) {
    var table = BufferTable()
    tensorBuffers = BufferOwners(graph).addBuffers(of: graph, to: &table)
    scratchBuffers = needs.enumerated().map { step, needs in
      table.add(needs.scratchByteCountPerThread * threadCount, at: step)
    }
    repeatedInputBuffers = needs.enumerated().map { step, needs in table.add(needs.repeatedInputByteCount, at: step) }
    buffers = table.buffers
    (offsets, byteCount) = ActivationPlanner.place(buffers)
  }
}

/// The buffers to be placed.
struct BufferTable {
  private(set) var buffers: [ActivationPlanner.Buffer] = []

  mutating func add(_ byteCount: Int, from first: Int, to last: Int) -> Int {
    buffers.append(.init(byteCount: byteCount + Plan.slack, firstStep: first, lastStep: last))
    return buffers.count - 1
  }

  /// A buffer for one step; nil for no bytes.
  mutating func add(_ byteCount: Int, at step: Int) -> Int? {
    byteCount > 0 ? add(byteCount, from: step, to: step) : nil
  }
}

/// What one operator needs besides its tensors.
private struct OperatorNeeds {
  var scratchByteCountPerThread = 0
  var repeatedInputByteCount = 0
  var channelBlockByteCount = 0
  var zeroRow: Plan.ZeroRow?

  init(_ operation: Operation) {
    switch operation {
    case .convolution(let convolution):
      scratchByteCountPerThread = ConvolutionStep.scratchByteCount(convolution)
      channelBlockByteCount = ChannelBlocks.byteCount(convolution)
      zeroRow = .init(value: convolution.inputZeroPoint, byteCount: ConvolutionStep.zeroRowByteCount(convolution))
    case .depthwiseConvolution(let convolution):
      let geometry = convolution.geometry
      scratchByteCountPerThread = DepthwiseStep.scratchByteCount(convolution)
      channelBlockByteCount = ChannelBlocks.byteCount(convolution)
      zeroRow = .init(value: convolution.inputZeroPoint, byteCount: DepthwiseStep.zeroRowByteCount(convolution))
      if geometry.outputChannels != geometry.inputChannels {
        repeatedInputByteCount = geometry.batches * geometry.inputHeight * geometry.inputWidth * geometry.outputChannels
      }
    default: break
    }
  }
}
