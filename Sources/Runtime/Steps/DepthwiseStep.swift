import CKernels
import Memory
import ModelFile

/// A depthwise convolution that reads its rows in place: one above or below the picture is a row of zero points.
final class DepthwiseStep: RowStep {
  /// Output rows of all batches.
  let rowCount: Int
  private let table: UnsafePointer<thimble_kernels>
  private let geometry: WindowGeometry
  private let panelBytes: Int
  private let input: TensorPlace
  private let output: TensorPlace
  private let weights: LayerWeights
  private let channels: ChannelBlocks
  private let requantization: thimble_requantization
  private let weightZeroPoint: Int32
  private let zeroRow: TensorPlace
  private let scratchOffset: Int
  private let scratchByteCount: Int

  /// Output rows of a kernel call: enough that what a call sets up is little beside them.
  private static let rowsAtOnce = 16

  /// `convolution` reads as many channels as it writes: a channel multiplier is resolved before.
  init(
    _ convolution: Convolution, kernels: Kernels, input: TensorPlace, output: TensorPlace,
    weights: LayerWeights, channels: ChannelBlocks, zeroRow: TensorPlace, scratchOffset: Int
  ) {
    table = kernels.table
    geometry = convolution.geometry
    rowCount = geometry.batches * geometry.outputHeight
    panelBytes = convolution.depthwisePanelByteCount
    self.input = input
    self.output = output
    self.weights = weights
    self.channels = channels
    requantization = thimble_requantization(convolution, panelByteCount: panelBytes)
    weightZeroPoint = convolution.weightZeroPoint
    self.zeroRow = zeroRow
    self.scratchOffset = scratchOffset
    scratchByteCount = Self.scratchByteCount(convolution)
  }

  static func zeroRowByteCount(_ convolution: Convolution) -> Int {
    let geometry = convolution.geometry
    return max(geometry.windowColumns, geometry.inputWidth) * geometry.outputChannels
  }

  /// Bytes of scratch memory a thread needs: pointers to the rows of a kernel call and to the taps of a window.
  static func scratchByteCount(_ convolution: Convolution) -> Int {
    let geometry = convolution.geometry
    return (rowsAtOnce * (geometry.kernelHeight + 1) + geometry.kernelHeight * geometry.kernelWidth) * 8
  }

  var runsTogether: Bool { true }

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
        for inference in 0..<context.inferenceCount {
          runRows(context.only(inference), part, rows: rowRange, panels: wanted, weights: bytes)
        }
      }
      weights.end(index)
    }
  }

  /// Consecutive output rows, in kernel calls of several.
  private func runRows(
    _ context: borrowing StepContext, _ part: Int, rows: Range<Int>, panels: Range<Int>, weights: UnsafePointer<Int8>
  ) {
    let width = geometry.outputChannels
    let firstChannel = panels.lowerBound * 16
    let places = scratch(context, part)
    let zeros = zeroRow.read(context)
    var args = thimble_depthwise_rows_args(
      rows: UnsafeRawPointer(places.rows).assumingMemoryBound(to: UnsafePointer<UInt8>.self),
      out: UnsafeRawPointer(places.out).assumingMemoryBound(to: UnsafeMutablePointer<UInt8>.self), row_count: 0,
      kernel_height: geometry.kernelHeight, kernel_width: geometry.kernelWidth, input_width: geometry.inputWidth,
      output_width: geometry.outputWidth, stride: geometry.strideWidth, dilation: geometry.dilationWidth,
      padding: geometry.paddingLeft, pixel_stride: width, outside: zeros, outside_row: zeros, weights: weights,
      weight_zero_point: weightZeroPoint, channels: channels.base + panels.lowerBound, requantization: requantization,
      channel_count: min(panels.count * 16, width - firstChannel), taps: places.taps)
    var row = rows.lowerBound
    while row < rows.upperBound {
      args.row_count = min(Self.rowsAtOnce, rows.upperBound - row)
      var pointer = 0
      for index in 0..<args.row_count {
        let (batch, y) = (row + index).quotientAndRemainder(dividingBy: geometry.outputHeight)
        places.out[index] =
          output.write(context, around: row + index) + (row + index) * geometry.outputWidth * width + firstChannel
        for ky in 0..<geometry.kernelHeight {
          let inputY = y * geometry.strideHeight - geometry.paddingTop + ky * geometry.dilationHeight
          if inputY >= 0, inputY < geometry.inputHeight {
            let inputRow = batch * geometry.inputHeight + inputY
            places.rows[pointer] =
              input.read(context, around: inputRow) + inputRow * geometry.inputWidth * width + firstChannel
          } else {
            places.rows[pointer] = zeros
          }
          pointer += 1
        }
      }
      thimble_depthwise_rows(table, &args)
      row += args.row_count
    }
  }

  private struct Scratch {
    let rows: UnsafeMutablePointer<UnsafePointer<UInt8>?>
    let out: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>
    let taps: UnsafeMutablePointer<UnsafePointer<UInt8>?>
  }

  /// A thread's scratch memory, laid out as `scratchByteCount` says.
  private func scratch(_ context: borrowing StepContext, _ part: Int) -> Scratch {
    let base = context.arena + scratchOffset + part * scratchByteCount
    let rowPointers = Self.rowsAtOnce * geometry.kernelHeight
    return Scratch(
      rows: base.assumingMemoryBound(to: UnsafePointer<UInt8>?.self),
      out: (base + rowPointers * 8).assumingMemoryBound(to: UnsafeMutablePointer<UInt8>?.self),
      taps: (base + (rowPointers + Self.rowsAtOnce) * 8).assumingMemoryBound(to: UnsafePointer<UInt8>?.self))
  }
}
