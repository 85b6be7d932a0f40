import CKernels
import ModelFile

/// Element-wise arithmetic over broadcast operands.
final class ArithmeticStep: Step {
  private let kernel: @convention(c) (UnsafePointer<thimble_arithmetic_args>) -> Void
  private let parameters: thimble_arithmetic
  private let extents: [Int]
  private let firstStrides: [Int]
  private let secondStrides: [Int]
  /// Elements of one kernel call: the innermost extent.
  private let rowCount: Int
  private let rows: Int
  private let first: TensorPlace
  private let second: TensorPlace
  private let output: TensorPlace

  init(_ arithmetic: Arithmetic, kernels: Kernels, first: TensorPlace, second: TensorPlace, output: TensorPlace) {
    kernel = kernels.table.pointee.arithmetic
    parameters = thimble_arithmetic(arithmetic)
    // Kernels take rows of strides 0 or 1; whatever else the innermost strides are, rows of one element do.
    var (extents, firstStrides, secondStrides) = (arithmetic.extents, arithmetic.firstStrides, arithmetic.secondStrides)
    let isRow = extents.isEmpty ? false : (0...1).contains(firstStrides.last!) && (0...1).contains(secondStrides.last!)
    if !isRow {
      extents.append(1)
      firstStrides.append(0)
      secondStrides.append(0)
    }
    self.extents = extents
    self.firstStrides = firstStrides
    self.secondStrides = secondStrides
    rowCount = extents.last!
    rows = extents.dropLast().reduce(1, *)
    self.first = first
    self.second = second
    self.output = output
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
    var (firstOffset, secondOffset) = (0, 0)
    var rest = row
    for axis in (0..<extents.count - 1).reversed() {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: extents[axis])
      firstOffset += index * firstStrides[axis]
      secondOffset += index * secondStrides[axis]
      rest = quotient
    }
    let (firstStride, secondStride) = (firstStrides.last!, secondStrides.last!)
    withUnsafePointer(to: parameters) { parameters in
      var args = thimble_arithmetic_args(
        arithmetic: parameters, first: first.read(context) + firstOffset + range.lowerBound * firstStride,
        second: second.read(context) + secondOffset + range.lowerBound * secondStride, first_stride: firstStride,
        second_stride: secondStride, out: output.write(context) + row * rowCount + range.lowerBound, count: range.count)
      kernel(&args)
    }
  }
}

extension thimble_arithmetic {
  init(_ arithmetic: Arithmetic) {
    self.init()
    kind =
      switch arithmetic.kind {
      case .add: THIMBLE_ADD
      case .subtract: THIMBLE_SUBTRACT
      case .multiply: THIMBLE_MULTIPLY
      }
    first_zero_point = arithmetic.firstZeroPoint
    second_zero_point = arithmetic.secondZeroPoint
    output_zero_point = arithmetic.outputZeroPoint
    first_multiplier = arithmetic.firstFactor.multiplier
    first_shift = arithmetic.firstFactor.shift
    second_multiplier = arithmetic.secondFactor.multiplier
    second_shift = arithmetic.secondFactor.shift
    output_multiplier = arithmetic.outputFactor.multiplier
    output_shift = arithmetic.outputFactor.shift
    clamp_min = arithmetic.clampMin
    clamp_max = arithmetic.clampMax
    if let form = arithmetic.fusedForm {
      is_fused = true
      a = form.a
      b = form.b
      c = form.c
    }
  }
}

/// Any function of one byte, by table.
final class LookupStep: Step {
  private let kernels: Kernels
  private let table: [UInt8]
  private let count: Int
  private let input: TensorPlace
  private let output: TensorPlace

  init(table: [UInt8], count: Int, kernels: Kernels, input: TensorPlace, output: TensorPlace) {
    self.kernels = kernels
    self.table = table
    self.count = count
    self.input = input
    self.output = output
  }

  func run(_ context: borrowing StepContext, part: Int, of parts: Int) {
    let range = share(count, unit: 64, part: part, of: parts)
    let start = range.lowerBound
    if range.isEmpty { return }
    table.withUnsafeBufferPointer { table in
      kernels.table.pointee.lookup(
        input.read(context) + start, table.baseAddress!, output.write(context) + start, range.count)
    }
  }
}

/// float32 → bytes.
final class QuantizeStep: Step {
  private let kernels: Kernels
  private let scale: Float
  private let zeroPoint: Int32
  private let count: Int
  private let input: TensorPlace
  private let output: TensorPlace

  init(scale: Float, zeroPoint: Int32, count: Int, kernels: Kernels, input: TensorPlace, output: TensorPlace) {
    self.kernels = kernels
    self.scale = scale
    self.zeroPoint = zeroPoint
    self.count = count
    self.input = input
    self.output = output
  }

  func run(_ context: borrowing StepContext, part: Int, of parts: Int) {
    let range = share(count, unit: 64, part: part, of: parts)
    let source = UnsafeRawPointer(input.read(context)).assumingMemoryBound(to: Float.self)
    let start = range.lowerBound
    kernels.table.pointee.quantize(source + start, scale, zeroPoint, output.write(context) + start, range.count)
  }
}

/// Bytes → float32.
final class DequantizeStep: Step {
  private let kernels: Kernels
  private let scale: Float
  private let zeroPoint: Int32
  private let count: Int
  private let input: TensorPlace
  private let output: TensorPlace

  init(scale: Float, zeroPoint: Int32, count: Int, kernels: Kernels, input: TensorPlace, output: TensorPlace) {
    self.kernels = kernels
    self.scale = scale
    self.zeroPoint = zeroPoint
    self.count = count
    self.input = input
    self.output = output
  }

  func run(_ context: borrowing StepContext, part: Int, of parts: Int) {
    let range = share(count, unit: 64, part: part, of: parts)
    let target = UnsafeMutableRawPointer(output.write(context)).assumingMemoryBound(to: Float.self)
    let start = range.lowerBound
    kernels.table.pointee.dequantize(input.read(context) + start, scale, zeroPoint, target + start, range.count)
  }
}
