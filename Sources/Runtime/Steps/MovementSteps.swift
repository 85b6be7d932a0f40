import CKernels
import ModelFile

/// Fills, then copies strided regions.
final class CopyStep: Step {
  private let copy: Copy
  private let inputs: [TensorPlace]
  private let output: TensorPlace
  private let outputByteCount: Int

  init(_ copy: Copy, inputs: [TensorPlace], output: TensorPlace, outputByteCount: Int) {
    var copy = copy
    if !copy.covers(outputByteCount) { copy.fill = 0 }
    self.copy = copy
    self.inputs = inputs
    self.output = output
    self.outputByteCount = outputByteCount
  }

  func run(_ context: borrowing StepContext, part: Int, of parts: Int) {
    // Regions may overlap the filled bytes and each other: where they are filled or many, one thread keeps the order.
    let isShared = copy.fill == nil && copy.regions.count == 1 && !copy.regions[0].extents.isEmpty
    if !isShared && part > 0 { return }
    if let fill = copy.fill { thimble_fill(output.write(context), fill, outputByteCount) }
    for region in copy.regions {
      let extent = region.extents.first ?? 1
      let range = isShared ? share(extent, part: part, of: parts) : 0..<extent
      let source = inputs[region.operand].read(context) + region.sourceOffset
      let destination = output.write(context) + region.destinationOffset
      if region.extents.isEmpty {
        thimble_copy(destination, source, region.runByteCount)
        continue
      }
      for index in range {
        copyAxis(
          region, axis: 1, from: source + index * region.sourceStrides[0],
          to: destination + index * region.destinationStrides[0])
      }
    }
  }

  private func copyAxis(
    _ region: Copy.Region, axis: Int, from source: UnsafePointer<UInt8>, to destination: UnsafeMutablePointer<UInt8>
  ) {
    if axis == region.extents.count {
      if region.runByteCount == 1 {
        destination.pointee = source.pointee
      } else {
        thimble_copy(destination, source, region.runByteCount)
      }
      return
    }
    let (sourceStride, destinationStride) = (region.sourceStrides[axis], region.destinationStrides[axis])
    for index in 0..<region.extents[axis] {
      copyAxis(region, axis: axis + 1, from: source + index * sourceStride, to: destination + index * destinationStride)
    }
  }
}

/// Resampling of pictures, shared out by output rows.
final class ResizeStep: RowStep {
  /// Output rows of one picture: those of a batch are computed together.
  let rowCount: Int
  private let kernel: @convention(c) (UnsafePointer<thimble_resize_args>) -> Void
  private let resize: Resize
  private let input: TensorPlace
  private let output: TensorPlace

  init(_ resize: Resize, kernels: Kernels, input: TensorPlace, output: TensorPlace) {
    kernel = kernels.table.pointee.resize
    self.resize = resize
    rowCount = resize.outputHeight
    self.input = input
    self.output = output
  }

  func run(_ context: borrowing StepContext, rows: Range<Int>, part: Int, of parts: Int) {
    let kind: thimble_resize_kind =
      switch resize.kind {
      case .nearest: THIMBLE_NEAREST
      case .bilinearFloat: THIMBLE_BILINEAR_FLOAT
      case .bilinearInteger: THIMBLE_BILINEAR_INTEGER
      }
    forEachRun(of: share(rows, part: part, of: parts), perRow: 1, output, output) { rows, row in
      for batch in 0..<resize.batches {
        var args = thimble_resize_args(
          kind: kind,
          input: input.read(context) + batch * resize.inputHeight * resize.inputWidth * resize.channels,
          input_height: resize.inputHeight, input_width: resize.inputWidth, output_height: resize.outputHeight,
          output_width: resize.outputWidth, channel_count: resize.channels, align_corners: resize.alignCorners,
          half_pixel_centers: resize.halfPixelCenters, row_begin: rows.lowerBound, row_end: rows.upperBound,
          out: output.write(context, around: row) + batch * resize.outputHeight * resize.outputWidth * resize.channels)
        kernel(&args)
      }
    }
  }
}

/// Repeats each channel `multiplier` times: what a depthwise convolution with a channel multiplier reads.
final class ChannelRepeatStep: Step {
  private let count: Int
  private let multiplier: Int
  private let input: TensorPlace
  private let output: TensorPlace

  /// `count` input bytes.
  init(count: Int, multiplier: Int, input: TensorPlace, output: TensorPlace) {
    self.count = count
    self.multiplier = multiplier
    self.input = input
    self.output = output
  }

  func run(_ context: borrowing StepContext, part: Int, of parts: Int) {
    let (source, target) = (input.read(context), output.write(context))
    for index in share(count, part: part, of: parts) {
      thimble_fill(target + index * multiplier, source[index], multiplier)
    }
  }
}
