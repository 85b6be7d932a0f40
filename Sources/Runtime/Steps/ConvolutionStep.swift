import CKernels
import Memory
import ModelFile

/// A full convolution as a matrix product that reads its input in place.
///
/// The K axis is made of runs: bytes that lie next to each other in the input for one output pixel (a kernel row, see
/// `Convolution.weights`). Moving to the next output pixel moves every run by the same stride, so an output row is one
/// kernel call. Rows above and below the picture are runs of zero points. Where windows cross the left or right edge, the
/// input rows are first copied to scratch memory with their padding, each once while the windows go down.
final class ConvolutionStep: RowStep {
  /// Output rows of all batches.
  let rowCount: Int
  private let kernel: @convention(c) (UnsafePointer<thimble_gemm_args>) -> Void
  private let pixelBiasKernel: @convention(c) (UnsafePointer<thimble_pixel_bias_args>) -> Void
  private let geometry: WindowGeometry
  private let runs: Int
  private let runBytes: Int
  private let groups: Int
  private let panelBytes: Int
  private let input: TensorPlace
  private let output: TensorPlace
  private let weights: LayerWeights
  private let channels: ChannelBlocks
  private let requantization: thimble_requantization
  private let inputZeroPoint: UInt8
  private let weightZeroPoint: Int32
  private let isPointwise: Bool
  private let hasPaddedRows: Bool
  private let zeroRow: TensorPlace
  private let scratch: ScratchPlace

  /// Fewer pixels than this a thread are not shared out: threads take output channels instead.
  static let pixelsAPartMin = 48
  /// Pixels whose bias is computed at once.
  private static let biasedPixels = 256
  /// Weights that stay in a core's second-level cache while they are used for one row after the other.
  private static let cachedWeightBytes = 256 << 10

  init(
    _ convolution: Convolution, kernels: Kernels, input: TensorPlace, output: TensorPlace,
    weights: LayerWeights, channels: ChannelBlocks, zeroRow: TensorPlace, scratch: ScratchPlace
  ) {
    kernel = kernels.table.pointee.gemm
    pixelBiasKernel = kernels.table.pointee.pixel_bias
    geometry = convolution.geometry
    rowCount = geometry.batches * geometry.outputHeight
    (runs, runBytes, groups) = convolution.packedRuns
    panelBytes = convolution.panelByteCount
    self.input = input
    self.output = output
    self.weights = weights
    self.channels = channels
    requantization = thimble_requantization(convolution, panelByteCount: panelBytes)
    inputZeroPoint = convolution.inputZeroPoint
    weightZeroPoint = convolution.weightZeroPoint
    isPointwise = convolution.isPointwise
    hasPaddedRows = geometry.hasPaddedRows
    self.zeroRow = zeroRow
    self.scratch = scratch
  }

  /// Bytes of the longest run of zero points a kernel may read.
  static func zeroRowByteCount(_ convolution: Convolution) -> Int {
    let geometry = convolution.geometry
    return convolution.isPointwise
      ? 0
      : max(geometry.windowColumns, geometry.inputWidth) * geometry.inputChannels + convolution.packedRuns.runBytes
  }

  /// Bytes of scratch memory a thread needs: run pointers, pixel biases, padded rows and which rows they are.
  static func scratchByteCount(_ convolution: Convolution) -> Int {
    let geometry = convolution.geometry
    let rows = convolution.isPointwise || !geometry.hasPaddedRows ? 0 : geometry.kernelHeight
    return convolution.packedRuns.runs * 8 + biasedPixels * 4 + rows * (8 + geometry.paddedRowByteCount)
  }

  func run(_ context: borrowing StepContext, rows: Range<Int>, part: Int, of parts: Int) {
    let pixels = rows.lowerBound * geometry.outputWidth..<rows.upperBound * geometry.outputWidth
    let panels = (geometry.outputChannels + 15) / 16
    // Pixels are shared out where there are enough of them, else output channels.
    let sharesPixels =
      pixels.count >= parts * Self.pixelsAPartMin && (isPointwise || rows.count >= parts) || panels < parts
    let panelRange = sharesPixels ? 0..<panels : share(panels, part: part, of: parts)
    if hasPaddedRows && !isPointwise { scratch.forgetPaddedRows(context, part, geometry) }
    if weights.isClaimed {
      while let index = weights.claim() {
        runPiece(context, part, index, panels: 0..<panels, rows: rows, pixels: pixels)
      }
      return
    }
    for index in weights.pieces.indices {
      runPiece(
        context, part, index, panels: panelRange, rows: sharesPixels ? share(rows, part: part, of: parts) : rows,
        pixels: sharesPixels ? share(pixels, unit: 6, part: part, of: parts) : pixels)
    }
  }

  /// What one piece of the weights gives: its panels as far as they are wanted.
  private func runPiece(
    _ context: borrowing StepContext, _ part: Int, _ index: Int, panels: Range<Int>, rows: Range<Int>,
    pixels: Range<Int>
  ) {
    let piece = weights.pieces[index]
    let first = piece.offset / panelBytes
    let wanted = panels.clamped(to: first..<first + piece.byteCount / panelBytes)
    if !wanted.isEmpty {
      let bytes = weights.begin(index, part: part) - first * panelBytes
      if isPointwise {
        runPointwise(
          context, part, pixels: pixels, panels: wanted, weights: bytes + wanted.lowerBound * panelBytes)
      } else {
        // As many panels as a cache keeps, over all rows; a kernel takes 4 at a time.
        let group = max(4, Self.cachedWeightBytes / panelBytes / 4 * 4)
        var start = wanted.lowerBound
        while start < wanted.upperBound {
          let end = min(start + group, wanted.upperBound)
          for row in rows {
            runRow(context, part, row: row, panels: start..<end, weights: bytes + start * panelBytes)
          }
          start = end
        }
      }
    }
    weights.end(index)
  }

  private func runPointwise(
    _ context: borrowing StepContext, _ part: Int, pixels: Range<Int>, panels: Range<Int>, weights: UnsafePointer<Int8>
  ) {
    let runPointers = scratch.runPointers(context, part)
    forEachRun(of: pixels, perRow: geometry.outputWidth, input, output) { pixels, row in
      runPointers[0] = input.read(context, around: row) + pixels.lowerBound * geometry.inputChannels
      callKernel(
        context, part, runPointers, pixelStride: geometry.inputChannels, row: row,
        columns: pixels.lowerBound - row * geometry.outputWidth..<pixels.upperBound - row * geometry.outputWidth,
        panels: panels, weights: weights)
    }
  }

  /// Output row `row`, counted over all batches.
  private func runRow(
    _ context: borrowing StepContext, _ part: Int, row: Int, panels: Range<Int>, weights: UnsafePointer<Int8>
  ) {
    let runPointers = scratch.runPointers(context, part)
    var run = 0
    for ky in 0..<geometry.kernelHeight {
      let source = windowRow(context, part, outputRow: row, ky: ky)
      if runs == geometry.kernelHeight {
        runPointers[run] = source
        run += 1
      } else {
        for kx in 0..<geometry.kernelWidth {
          runPointers[run] = source + kx * geometry.dilationWidth * geometry.inputChannels
          run += 1
        }
      }
    }
    callKernel(
      context, part, runPointers, pixelStride: geometry.strideWidth * geometry.inputChannels, row: row,
      columns: 0..<geometry.outputWidth, panels: panels, weights: weights)
  }

  /// The input row under kernel row `ky` of an output row, from the first column that a window reads.
  private func windowRow(
    _ context: borrowing StepContext, _ part: Int, outputRow row: Int, ky: Int
  ) -> UnsafePointer<UInt8> {
    let (batch, y) = row.quotientAndRemainder(dividingBy: geometry.outputHeight)
    let inputY = y * geometry.strideHeight - geometry.paddingTop + ky * geometry.dilationHeight
    guard inputY >= 0, inputY < geometry.inputHeight else { return zeroRow.read(context) }
    let inputRow = batch * geometry.inputHeight + inputY
    let source = input.read(context, around: inputRow) + inputRow * geometry.inputWidth * geometry.inputChannels
    return hasPaddedRows
      ? scratch.paddedRow(inputRow, of: source, fill: inputZeroPoint, context, part, geometry) : source
  }

  /// `columns` of output row `row`; they may go on into rows that follow it in memory.
  private func callKernel(
    _ context: borrowing StepContext, _ part: Int, _ runPointers: UnsafeMutablePointer<UnsafePointer<UInt8>?>,
    pixelStride: Int, row: Int, columns: Range<Int>, panels: Range<Int>, weights: UnsafePointer<Int8>
  ) {
    let pixels = columns.count
    let firstPixel = row * geometry.outputWidth + columns.lowerBound
    let firstChannel = panels.lowerBound * 16
    let pointers = UnsafeRawPointer(runPointers).assumingMemoryBound(to: UnsafePointer<UInt8>.self)
    var args = thimble_gemm_args(
      runs: pointers, run_count: runs, groups: groups, pixel_stride: pixelStride, pixels: pixels,
      weights: weights, panels: panels.count,
      channels: channels.base + panels.lowerBound, pixel_bias: nil, requantization: requantization,
      out: output.write(context, around: row) + firstPixel * geometry.outputChannels + firstChannel,
      out_stride: geometry.outputChannels, out_channels: min(panels.count * 16, geometry.outputChannels - firstChannel))
    if weightZeroPoint == 0 { return kernel(&args) }

    let biases = scratch.pixelBiases(context, part)
    var done = 0
    while done < pixels {
      let count = min(Self.biasedPixels, pixels - done)
      var bias = thimble_pixel_bias_args(
        runs: pointers, run_count: runs, run_bytes: runBytes, pixel_stride: pixelStride, pixels: count,
        weight_zero_point: weightZeroPoint, out: biases)
      pixelBiasKernel(&bias)
      args.pixels = count
      args.pixel_bias = UnsafePointer(biases)
      kernel(&args)
      args.out += count * geometry.outputChannels
      for run in 0..<runs { runPointers[run]! += count * pixelStride }
      done += count
    }
  }

  /// A step's scratch memory: one area a thread, laid out as `scratchByteCount` says.
  struct ScratchPlace {
    let offset: Int
    let byteCountPerThread: Int
    let runs: Int

    private func base(_ context: borrowing StepContext, _ part: Int) -> UnsafeMutableRawPointer {
      context.arena + offset + part * byteCountPerThread
    }

    func runPointers(_ context: borrowing StepContext, _ part: Int) -> UnsafeMutablePointer<UnsafePointer<UInt8>?> {
      base(context, part).assumingMemoryBound(to: UnsafePointer<UInt8>?.self)
    }

    func pixelBiases(_ context: borrowing StepContext, _ part: Int) -> UnsafeMutablePointer<Int32> {
      (base(context, part) + runs * 8).assumingMemoryBound(to: Int32.self)
    }

    /// Which input row each padded row is.
    private func rowNumbers(
      _ context: borrowing StepContext, _ part: Int
    ) -> UnsafeMutablePointer<Int> {
      (base(context, part) + runs * 8 + biasedPixels * 4).assumingMemoryBound(to: Int.self)
    }

    func forgetPaddedRows(_ context: borrowing StepContext, _ part: Int, _ geometry: WindowGeometry) {
      let numbers = rowNumbers(context, part)
      for slot in 0..<geometry.kernelHeight { numbers[slot] = -1 }
    }

    /// A copy of an input row with its padding; the rows of one window have places of their own.
    func paddedRow(
      _ row: Int, of source: UnsafePointer<UInt8>, fill: UInt8, _ context: borrowing StepContext, _ part: Int,
      _ geometry: WindowGeometry
    ) -> UnsafePointer<UInt8> {
      let numbers = rowNumbers(context, part)
      let slot = row / geometry.dilationHeight % geometry.kernelHeight
      let copy =
        UnsafeMutableRawPointer(numbers + geometry.kernelHeight).assumingMemoryBound(to: UInt8.self)
        + slot * geometry.paddedRowByteCount
      if numbers[slot] != row {
        numbers[slot] = row
        let before = geometry.paddingLeft * geometry.inputChannels
        let whole = geometry.windowColumns * geometry.inputChannels
        let copied = min(geometry.inputWidth * geometry.inputChannels, max(0, whole - before))
        thimble_fill(copy, fill, min(before, whole))
        if copied > 0 { thimble_copy(copy + before, source, copied) }
        if before + copied < whole { thimble_fill(copy + before + copied, fill, whole - before - copied) }
      }
      return UnsafePointer(copy)
    }
  }
}

extension Convolution {
  /// A 1×1 window over every pixel: the whole picture is one matrix.
  var isPointwise: Bool {
    let g = geometry
    return g.kernelHeight == 1 && g.kernelWidth == 1 && g.strideHeight == 1 && g.strideWidth == 1
      && g.paddingTop == 0 && g.paddingLeft == 0 && g.inputHeight == g.outputHeight && g.inputWidth == g.outputWidth
  }
}

extension WindowGeometry {
  /// Columns from the first to the last that windows read, padding included.
  var windowColumns: Int { (outputWidth - 1) * strideWidth + (kernelWidth - 1) * dilationWidth + 1 }

  /// Whether windows cross the left or the right edge.
  var hasPaddedRows: Bool { paddingLeft > 0 || windowColumns > inputWidth }

  /// Bytes of an input row with its padding, and of what kernels may read behind it.
  var paddedRowByteCount: Int { (windowColumns * inputChannels + Int(THIMBLE_SLACK_BYTES) + 63) / 64 * 64 }
}

extension thimble_requantization {
  init(_ convolution: Convolution, panelByteCount: Int) {
    let shifts = 1...Int(thimble_bounded_shift_max(Int32(convolution.outputZeroPoint)))
    let weights = panelByteCount / 16
    let isBounded = convolution.channels.bias.indices.allSatisfy { channel in
      convolution.isDead(channel: channel, weightsPerChannel: weights)
        || shifts.contains(Int(convolution.channels.shift[channel]))
          && convolution.accumulatorMax(channel: channel, weightsPerChannel: weights) < 1 << 30
    }
    self.init(
      zero_point: Int32(convolution.outputZeroPoint), clamp_min: convolution.clampMin, clamp_max: convolution.clampMax,
      is_bounded: isBounded,
      rounds_once: convolution.roundsOnce)
  }
}
