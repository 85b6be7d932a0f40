import CKernels
import ModelFile

/// Average or maximum over windows, one kernel call an output pixel.
final class PoolStep: Step {
  private let kernel: @convention(c) (UnsafePointer<thimble_pool_args>) -> Void
  private let pool: Pool
  private let input: TensorPlace
  private let output: TensorPlace

  init(_ pool: Pool, kernels: Kernels, input: TensorPlace, output: TensorPlace) {
    kernel = kernels.table.pointee.pool
    self.pool = pool
    self.input = input
    self.output = output
  }

  func run(_ context: borrowing StepContext, part: Int, of parts: Int) {
    let geometry = pool.geometry
    let rows = geometry.batches * geometry.outputHeight
    // Rows are shared out where there are enough, else channels (a global pool has one row).
    let sharesRows = rows >= parts
    let channels =
      sharesRows ? 0..<geometry.inputChannels : share(geometry.inputChannels, unit: 64, part: part, of: parts)
    if channels.isEmpty { return }
    for row in sharesRows ? share(rows, part: part, of: parts) : 0..<rows {
      for column in 0..<geometry.outputWidth { runPixel(context, row: row, column: column, channels: channels) }
    }
  }

  private func runPixel(_ context: borrowing StepContext, row: Int, column: Int, channels: Range<Int>) {
    let geometry = pool.geometry
    let (batch, y) = row.quotientAndRemainder(dividingBy: geometry.outputHeight)
    let rows = inside(y, geometry.strideHeight, geometry.paddingTop, geometry.kernelHeight, geometry.inputHeight)
    let columns = inside(column, geometry.strideWidth, geometry.paddingLeft, geometry.kernelWidth, geometry.inputWidth)
    let pixel = (batch * geometry.inputHeight + rows.lowerBound) * geometry.inputWidth + columns.lowerBound
    var args = thimble_pool_args(
      first_tap: input.read(context) + pixel * geometry.inputChannels + channels.lowerBound, rows: rows.count,
      columns: columns.count, row_stride: geometry.inputWidth * geometry.inputChannels,
      column_stride: geometry.inputChannels, channel_count: channels.count, is_average: pool.kind == .average,
      rounds_signed: pool.roundsSigned, clamp_min: pool.clampMin, clamp_max: pool.clampMax,
      out: output.write(context) + (row * geometry.outputWidth + column) * geometry.outputChannels + channels.lowerBound
    )
    kernel(&args)
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

/// Softmax over rows.
final class SoftmaxStep: Step {
  private let kernel: @convention(c) (UnsafePointer<thimble_softmax_args>) -> Void
  private let softmax: Softmax
  private let input: TensorPlace
  private let output: TensorPlace

  init(_ softmax: Softmax, kernels: Kernels, input: TensorPlace, output: TensorPlace) {
    kernel = kernels.table.pointee.softmax
    self.softmax = softmax
    self.input = input
    self.output = output
  }

  func run(_ context: borrowing StepContext, part: Int, of parts: Int) {
    for row in share(softmax.rows, part: part, of: parts) {
      softmax.exponentials.withUnsafeBufferPointer { table in
        var args = thimble_softmax_args(
          input: input.read(context) + row * softmax.depth, depth: softmax.depth, exponentials: table.baseAddress!,
          out: output.write(context) + row * softmax.depth)
        kernel(&args)
      }
    }
  }
}

/// Index of the greatest or least element along an axis.
final class ArgExtremeStep: Step {
  private let kernel: @convention(c) (UnsafePointer<thimble_arg_extreme_args>) -> Void
  private let extreme: ArgExtreme
  private let indexBytes: Int
  private let input: TensorPlace
  private let output: TensorPlace

  init(_ extreme: ArgExtreme, indexBytes: Int, kernels: Kernels, input: TensorPlace, output: TensorPlace) {
    kernel = kernels.table.pointee.arg_extreme
    self.extreme = extreme
    self.indexBytes = indexBytes
    self.input = input
    self.output = output
  }

  func run(_ context: borrowing StepContext, part: Int, of parts: Int) {
    for outer in share(extreme.outer, part: part, of: parts) {
      var args = thimble_arg_extreme_args(
        input: input.read(context) + outer * extreme.extent * extreme.inner, extent: extreme.extent,
        inner: extreme.inner, takes_minimum: extreme.takesMinimum, index_byte_count: indexBytes,
        out: UnsafeMutableRawPointer(output.write(context) + outer * extreme.inner * indexBytes))
      kernel(&args)
    }
  }
}
