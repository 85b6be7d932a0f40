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
  /// Whether each inference is one pixel: then several are the pixels of one kernel call.
  private let isOnePixel: Bool
  /// Where windows cross the left or the right edge.
  private let paddedRows: PaddedRows?
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
    isOnePixel = isPointwise && geometry.batches * geometry.outputHeight * geometry.outputWidth == 1
    paddedRows = convolution.paddedRows
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
    convolution.packedRuns.runs * 8 + biasedPixels * 4 + (convolution.paddedRows?.byteCount ?? 0)
  }

  var runsTogether: Bool { true }

  func run(_ context: borrowing StepContext, rows: Range<Int>, part: Int, of parts: Int) {
    let pixels = rows.lowerBound * geometry.outputWidth..<rows.upperBound * geometry.outputWidth
    let panels = (geometry.outputChannels + 15) / 16
    // Pixels are shared out where there are enough of them, else output channels.
    let sharesPixels =
      pixels.count >= parts * Self.pixelsAPartMin && (isPointwise || rows.count >= parts) || panels < parts
    let panelRange = sharesPixels ? 0..<panels : share(panels, part: part, of: parts)
    if let paddedRows {
      paddedRows.forgetRows(in: scratch.paddedRows(context, part))
      for inference in 1..<context.inferenceCount {
        paddedRows.forgetRows(in: scratch.paddedRows(context.only(inference), part))
      }
    }
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
      if isOnePixel {
        runPixels(context, part, pixels: pixels, panels: wanted, weights: bytes)
      } else {
        run(context, part, panels: wanted, rows: rows, pixels: pixels, weights: bytes)
        for inference in 1..<context.inferenceCount {
          run(context.only(inference), part, panels: wanted, rows: rows, pixels: pixels, weights: bytes)
        }
      }
    }
    weights.end(index)
  }

  /// One inference's rows or pixels.
  private func run(
    _ context: borrowing StepContext, _ part: Int, panels: Range<Int>, rows: Range<Int>, pixels: Range<Int>,
    weights: UnsafePointer<Int8>
  ) {
    if isPointwise {
      return runPointwise(
        context, part, pixels: pixels, panels: panels, weights: weights + panels.lowerBound * panelBytes)
    }
    // As many panels as a cache keeps, over all rows; a kernel takes 4 at a time.
    let group = max(4, Self.cachedWeightBytes / panelBytes / 4 * 4)
    var start = panels.lowerBound
    while start < panels.upperBound {
      let end = min(start + group, panels.upperBound)
      for row in rows { runRow(context, part, row: row, panels: start..<end, weights: weights + start * panelBytes) }
      start = end
    }
  }

  /// The only pixel of every inference.
  private func runPixels(
    _ context: borrowing StepContext, _ part: Int, pixels: Range<Int>, panels: Range<Int>, weights: UnsafePointer<Int8>
  ) {
    guard !pixels.isEmpty else { return }
    let runPointers = scratch.runPointers(context, part)
    runPointers[0] = input.read(context)
    callKernel(
      context, part, runPointers, pixelStride: context.inferenceByteCount, row: 0, columns: 0..<context.inferenceCount,
      panels: panels, weights: weights + panels.lowerBound * panelBytes, outputStride: context.inferenceByteCount)
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
    let (batch, y) = row.quotientAndRemainder(dividingBy: geometry.outputHeight)
    // The place of a padded row moves on with the input row, so that a row stays where it is as the windows go down.
    var slot = paddedRows != nil ? y * geometry.strideHeight / geometry.dilationHeight % geometry.kernelHeight : 0
    var inputY = y * geometry.strideHeight - geometry.paddingTop
    var run = 0
    for _ in 0..<geometry.kernelHeight {
      let source = windowRow(context, part, batch: batch, inputY: inputY, slot: slot)
      inputY += geometry.dilationHeight
      slot = slot + 1 == geometry.kernelHeight ? 0 : slot + 1
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

  /// An input row, or zero points above and below the picture, from the first column that a window reads.
  private func windowRow(
    _ context: borrowing StepContext, _ part: Int, batch: Int, inputY: Int, slot: Int
  ) -> UnsafePointer<UInt8> {
    guard inputY >= 0, inputY < geometry.inputHeight else { return zeroRow.read(context) }
    let inputRow = batch * geometry.inputHeight + inputY
    let source = input.read(context, around: inputRow) + inputRow * geometry.inputWidth * geometry.inputChannels
    guard let paddedRows else { return source }
    return paddedRows.copy(of: inputRow, at: slot, source: source, in: scratch.paddedRows(context, part))
  }

  /// `columns` of output row `row`; they may go on into rows that follow it in memory.
  private func callKernel(
    _ context: borrowing StepContext, _ part: Int, _ runPointers: UnsafeMutablePointer<UnsafePointer<UInt8>?>,
    pixelStride: Int, row: Int, columns: Range<Int>, panels: Range<Int>, weights: UnsafePointer<Int8>,
    outputStride: Int? = nil
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
      out_stride: outputStride ?? geometry.outputChannels,
      out_channels: min(panels.count * 16, geometry.outputChannels - firstChannel))
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
      args.out += count * args.out_stride
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

    func paddedRows(_ context: borrowing StepContext, _ part: Int) -> UnsafeMutableRawPointer {
      base(context, part) + runs * 8 + biasedPixels * 4
    }
  }
}

extension Convolution {
  /// Padded input rows, where windows need them.
  var paddedRows: PaddedRows? { !isPointwise && geometry.crossesEdges ? PaddedRows(self) : nil }

  /// A 1×1 window over every pixel: the whole picture is one matrix.
  var isPointwise: Bool {
    let g = geometry
    return g.kernelHeight == 1 && g.kernelWidth == 1 && g.strideHeight == 1 && g.strideWidth == 1
      && g.paddingTop == 0 && g.paddingLeft == 0 && g.inputHeight == g.outputHeight && g.inputWidth == g.outputWidth
  }
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
