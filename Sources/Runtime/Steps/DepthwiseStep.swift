import CKernels
import Memory
import ModelFile

/// A depthwise convolution that reads its taps in place: a tap outside the picture points to a row of zero points.
final class DepthwiseStep: RowStep {
  /// Output rows of all batches.
  let rowCount: Int
  private let kernel: @convention(c) (UnsafePointer<thimble_depthwise_args>) -> Void
  private let geometry: WindowGeometry
  private let panelBytes: Int
  private let input: TensorPlace
  private let output: TensorPlace
  private let weights: LayerWeights
  private let channels: ChannelBlocks
  private let requantization: thimble_requantization
  private let weightZeroPoint: Int32
  private let interior: Range<Int>
  private let zeroRow: TensorPlace
  private let tapsOffset: Int

  /// `convolution` reads as many channels as it writes: a channel multiplier is resolved before.
  init(
    _ convolution: Convolution, kernels: Kernels, input: TensorPlace, output: TensorPlace,
    weights: LayerWeights, channels: ChannelBlocks, zeroRow: TensorPlace, scratchOffset: Int
  ) {
    kernel = kernels.table.pointee.depthwise
    geometry = convolution.geometry
    rowCount = geometry.batches * geometry.outputHeight
    panelBytes = convolution.depthwisePanelByteCount
    self.input = input
    self.output = output
    self.weights = weights
    self.channels = channels
    requantization = thimble_requantization(convolution, panelByteCount: panelBytes)
    weightZeroPoint = convolution.weightZeroPoint
    interior = geometry.interiorColumns
    self.zeroRow = zeroRow
    tapsOffset = scratchOffset
  }

  static func zeroRowByteCount(_ convolution: Convolution) -> Int {
    let geometry = convolution.geometry
    return (geometry.inputWidth + geometry.kernelWidth * geometry.dilationWidth) * geometry.outputChannels
  }

  /// Bytes of scratch memory a thread needs: a pointer a tap.
  static func scratchByteCount(_ convolution: Convolution) -> Int {
    convolution.geometry.kernelHeight * convolution.geometry.kernelWidth * 8
  }

  func run(_ context: borrowing StepContext, rows: Range<Int>, part: Int, of parts: Int) {
    let panels = (geometry.outputChannels + 15) / 16
    let sharesRows = rows.count >= parts
    let panelRange = sharesRows ? 0..<panels : share(panels, unit: 4, part: part, of: parts)
    let rowRange = sharesRows ? share(rows, part: part, of: parts) : rows
    for index in weights.pieces.indices {
      let piece = weights.pieces[index]
      let first = piece.offset / panelBytes
      let wanted = panelRange.clamped(to: first..<first + piece.byteCount / panelBytes)
      if !wanted.isEmpty {
        let bytes = weights.begin(index, part: part) + (wanted.lowerBound - first) * panelBytes
        for row in rowRange { runRow(context, part, row: row, panels: wanted, weights: bytes) }
      }
      weights.end(index)
    }
  }

  private func runRow(
    _ context: borrowing StepContext, _ part: Int, row: Int, panels: Range<Int>, weights: UnsafePointer<Int8>
  ) {
    for column in 0..<interior.lowerBound {
      runPixels(context, part, row: row, column: column, count: 1, panels: panels, weights: weights)
    }
    if !interior.isEmpty {
      runPixels(
        context, part, row: row, column: interior.lowerBound, count: interior.count, panels: panels, weights: weights)
    }
    for column in interior.upperBound..<geometry.outputWidth {
      runPixels(context, part, row: row, column: column, count: 1, panels: panels, weights: weights)
    }
  }

  /// `count` output pixels from (row, column), whose taps are all inside or all outside the picture together.
  private func runPixels(
    _ context: borrowing StepContext, _ part: Int, row: Int, column: Int, count: Int, panels: Range<Int>,
    weights: UnsafePointer<Int8>
  ) {
    let width = geometry.outputChannels
    let firstChannel = panels.lowerBound * 16
    let tapCount = geometry.kernelHeight * geometry.kernelWidth
    let taps = (context.arena + tapsOffset + part * tapCount * 8).assumingMemoryBound(to: UnsafePointer<UInt8>.self)
    let zeros = zeroRow.read(context)
    let (batch, y) = row.quotientAndRemainder(dividingBy: geometry.outputHeight)
    var tap = 0
    for ky in 0..<geometry.kernelHeight {
      let inputY = y * geometry.strideHeight - geometry.paddingTop + ky * geometry.dilationHeight
      let rowIsInside = inputY >= 0 && inputY < geometry.inputHeight
      let inputRow = rowIsInside ? batch * geometry.inputHeight + inputY : 0
      let source = input.read(context, around: inputRow) + inputRow * geometry.inputWidth * width + firstChannel
      for kx in 0..<geometry.kernelWidth {
        let inputX = column * geometry.strideWidth - geometry.paddingLeft + kx * geometry.dilationWidth
        let isInside = rowIsInside && inputX >= 0 && inputX < geometry.inputWidth
        // A row of zero points has columns too: kernels look for windows that slide.
        taps[tap] =
          isInside
          ? source + inputX * width
          : zeros + (rowIsInside ? 0 : kx * geometry.dilationWidth * width)
        tap += 1
      }
    }
    var args = thimble_depthwise_args(
      taps: taps, tap_count: tapCount, pixel_stride: geometry.strideWidth * width, pixels: count,
      weights: weights, weight_zero_point: weightZeroPoint,
      channels: channels.base + panels.lowerBound, requantization: requantization,
      out: output.write(context, around: row) + (row * geometry.outputWidth + column) * width + firstChannel,
      out_stride: width,
      channel_count: min(panels.count * 16, width - firstChannel))
    kernel(&args)
  }
}
