import CKernels
import ModelFile

/// Average or maximum over windows, one kernel call an output pixel.
final class PoolStep: RowStep {
  /// Output rows of all batches.
  let rowCount: Int
  private let kernel: @convention(c) (UnsafePointer<thimble_pool_args>) -> Void
  private let pool: Pool
  private let input: TensorPlace
  private let output: TensorPlace
  /// Where each thread puts the rows of a window that lie around a ring's end one after the other.
  private let scratchOffset: Int

  init(_ pool: Pool, kernels: Kernels, input: TensorPlace, output: TensorPlace, scratchOffset: Int) {
    kernel = kernels.table.pointee.pool
    self.pool = pool
    rowCount = pool.geometry.batches * pool.geometry.outputHeight
    self.input = input
    self.output = output
    self.scratchOffset = scratchOffset
  }

  /// Bytes of scratch memory a thread needs where the input is a ring: a window's rows.
  static func scratchByteCount(_ pool: Pool) -> Int {
    let geometry = pool.geometry
    return min(geometry.kernelHeight, geometry.inputHeight) * geometry.inputWidth * geometry.inputChannels
  }

  func run(_ context: borrowing StepContext, rows: Range<Int>, part: Int, of parts: Int) {
    let geometry = pool.geometry
    // Rows are shared out where there are enough, else channels (a global pool has one row).
    let sharesRows = rows.count >= parts
    let channels =
      sharesRows ? 0..<geometry.inputChannels : share(geometry.inputChannels, unit: 64, part: part, of: parts)
    if channels.isEmpty { return }
    for row in sharesRows ? share(rows, part: part, of: parts) : rows { runRow(context, part, row, channels) }
  }

  private func runRow(_ context: borrowing StepContext, _ part: Int, _ row: Int, _ channels: Range<Int>) {
    let geometry = pool.geometry
    let (batch, y) = row.quotientAndRemainder(dividingBy: geometry.outputHeight)
    let window = inside(y, geometry.strideHeight, geometry.paddingTop, geometry.kernelHeight, geometry.inputHeight)
    let first = batch * geometry.inputHeight + window.lowerBound
    let rowBytes = geometry.inputWidth * geometry.inputChannels
    var source = input.read(context, around: first) + first * rowBytes
    if first + window.count > input.runEnd(first) {
      let copy = context.arena + scratchOffset + part * PoolStep.scratchByteCount(pool)
      for index in 0..<window.count {
        (copy + index * rowBytes).copyMemory(
          from: input.read(context, around: first + index) + (first + index) * rowBytes, byteCount: rowBytes)
      }
      source = UnsafeRawPointer(copy).assumingMemoryBound(to: UInt8.self)
    }
    let target = output.write(context, around: row) + row * geometry.outputWidth * geometry.outputChannels
    for column in 0..<geometry.outputWidth {
      let columns = inside(
        column, geometry.strideWidth, geometry.paddingLeft, geometry.kernelWidth, geometry.inputWidth)
      var args = thimble_pool_args(
        first_tap: source + columns.lowerBound * geometry.inputChannels + channels.lowerBound, rows: window.count,
        columns: columns.count, row_stride: rowBytes, column_stride: geometry.inputChannels,
        channel_count: channels.count, is_average: pool.kind == .average, rounds_signed: pool.roundsSigned,
        clamp_min: pool.clampMin, clamp_max: pool.clampMax,
        out: target + column * geometry.outputChannels + channels.lowerBound)
      kernel(&args)
    }
  }

  /// The part of a window that lies in the picture along one axis; never empty (`GraphValidation`).
  private func inside(_ index: Int, _ stride: Int, _ padding: Int, _ kernel: Int, _ size: Int) -> Range<Int> {
    let start = index * stride - padding
    return max(0, start)..<min(size, start + kernel)
  }
}

/// Mean over any axes.
final class MeanStep: Step {
  private let kernel: @convention(c) (UnsafePointer<thimble_mean_args>) -> Void
  private let mean: Mean
  private let prototype: thimble_mean_args
  private let input: TensorPlace
  private let output: TensorPlace
  /// Outputs of one kernel call: the last kept axis.
  private let rowCount: Int
  private let rows: Int

  init(
    _ mean: Mean, kernels: Kernels, input: TensorPlace, output: TensorPlace, placeholder: UnsafeMutablePointer<UInt8>
  ) {
    kernel = kernels.table.pointee.mean
    self.mean = mean
    self.input = input
    self.output = output
    rowCount = mean.keptExtents.last ?? 1
    rows = mean.keptExtents.dropLast().reduce(1, *)
    prototype = thimble_mean_args(mean, placeholder: placeholder)
  }

  func run(_ context: borrowing StepContext, part: Int, of parts: Int) {
    if rows == 1 {
      let range = share(rowCount, unit: 64, part: part, of: parts)
      if !range.isEmpty { runRow(context, row: 0, range) }
    } else {
      for row in share(rows, part: part, of: parts) { runRow(context, row: row, 0..<rowCount) }
    }
  }

  private func runRow(_ context: borrowing StepContext, row: Int, _ range: Range<Int>) {
    var offset = range.lowerBound * (mean.keptStrides.last ?? 0)
    var rest = row
    for axis in (0..<max(0, mean.keptExtents.count - 1)).reversed() {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: mean.keptExtents[axis])
      offset += index * mean.keptStrides[axis]
      rest = quotient
    }
    var args = prototype
    args.input = input.read(context) + offset
    args.kept_count = range.count
    args.out = output.write(context) + row * rowCount + range.lowerBound
    kernel(&args)
  }
}

extension thimble_mean_args {
  /// Everything but the places, which each run fills in; `placeholder` stands for them.
  init(_ mean: Mean, placeholder: UnsafeMutablePointer<UInt8>) {
    self.init(
      input: UnsafePointer(placeholder), kept_count: 0, kept_stride: mean.keptStrides.last ?? 0,
      reduced_rank: mean.reducedExtents.count, reduced_extents: (1, 1, 1, 1, 1, 1, 1, 1),
      reduced_strides: (0, 0, 0, 0, 0, 0, 0, 0), input_zero_point: mean.inputZeroPoint,
      output_zero_point: mean.outputZeroPoint, multiplier: mean.factor.multiplier, shift: mean.factor.shift,
      out: placeholder)
    withUnsafeMutableBytes(of: &reduced_extents) { bytes in
      for (index, extent) in mean.reducedExtents.enumerated() {
        bytes.storeBytes(of: extent, toByteOffset: index * 8, as: Int.self)
      }
    }
    withUnsafeMutableBytes(of: &reduced_strides) { bytes in
      for (index, stride) in mean.reducedStrides.enumerated() {
        bytes.storeBytes(of: stride, toByteOffset: index * 8, as: Int.self)
      }
    }
  }
}

/// Softmax over lines of one pixel's channels.
final class SoftmaxStep: RowStep {
  let rowCount: Int
  private let kernel: @convention(c) (UnsafePointer<thimble_softmax_args>) -> Void
  private let softmax: Softmax
  private let linesPerRow: Int
  private let input: TensorPlace
  private let output: TensorPlace

  init(_ softmax: Softmax, rowCount: Int, kernels: Kernels, input: TensorPlace, output: TensorPlace) {
    kernel = kernels.table.pointee.softmax
    self.softmax = softmax
    self.rowCount = rowCount
    linesPerRow = softmax.rows / rowCount
    self.input = input
    self.output = output
  }

  func run(_ context: borrowing StepContext, rows: Range<Int>, part: Int, of parts: Int) {
    let lines = rows.lowerBound * linesPerRow..<rows.upperBound * linesPerRow
    softmax.exponentials.withUnsafeBufferPointer { table in
      forEachRun(of: share(lines, part: part, of: parts), perRow: linesPerRow, input, output) { lines, row in
        let (source, target) = (input.read(context, around: row), output.write(context, around: row))
        for line in lines {
          var args = thimble_softmax_args(
            input: source + line * softmax.depth, depth: softmax.depth, exponentials: table.baseAddress!,
            out: target + line * softmax.depth)
          kernel(&args)
        }
      }
    }
  }
}

/// Index of the greatest or least element along an axis.
final class ArgExtremeStep: RowStep {
  let rowCount: Int
  private let kernel: @convention(c) (UnsafePointer<thimble_arg_extreme_args>) -> Void
  private let extreme: ArgExtreme
  private let outerPerRow: Int
  private let indexBytes: Int
  private let input: TensorPlace
  private let output: TensorPlace

  init(
    _ extreme: ArgExtreme, rowCount: Int, indexBytes: Int, kernels: Kernels, input: TensorPlace, output: TensorPlace
  ) {
    kernel = kernels.table.pointee.arg_extreme
    self.extreme = extreme
    self.rowCount = rowCount
    outerPerRow = extreme.outer / rowCount
    self.indexBytes = indexBytes
    self.input = input
    self.output = output
  }

  func run(_ context: borrowing StepContext, rows: Range<Int>, part: Int, of parts: Int) {
    let outers = rows.lowerBound * outerPerRow..<rows.upperBound * outerPerRow
    forEachRun(of: share(outers, part: part, of: parts), perRow: outerPerRow, input, output) { outers, row in
      let source = input.read(context, around: row)
      let target = UnsafeMutableRawPointer(output.write(context, around: row))
      var args = thimble_arg_extreme_args(
        input: source + outers.lowerBound * extreme.extent * extreme.inner, outer: outers.count,
        extent: extreme.extent, inner: extreme.inner, takes_minimum: extreme.takesMinimum,
        index_byte_count: indexBytes, out: target + outers.lowerBound * extreme.inner * indexBytes)
      kernel(&args)
    }
  }
}
