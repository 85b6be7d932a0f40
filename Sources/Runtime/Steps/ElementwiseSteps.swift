import CKernels
import ModelFile

/// Element-wise arithmetic over broadcast operands.
final class ArithmeticStep: RowStep {
  let rowCount: Int
  private let kernel: @convention(c) (UnsafePointer<thimble_arithmetic_args>) -> Void
  private let parameters: thimble_arithmetic
  private let extents: [Int]
  private let firstStrides: [Int]
  private let secondStrides: [Int]
  /// Elements of one kernel call: the innermost extent. Lines lie within rows, or there is only one.
  private let lineLength: Int
  private let lineCount: Int
  private let elementsPerRow: Int
  private let first: TensorPlace
  private let second: TensorPlace
  private let output: TensorPlace

  init(
    _ arithmetic: Arithmetic, rowCount: Int, kernels: Kernels, first: TensorPlace, second: TensorPlace,
    output: TensorPlace
  ) {
    kernel = kernels.table.pointee.arithmetic
    parameters = thimble_arithmetic(arithmetic)
    // Kernels take lines of strides 0 or 1; whatever else the innermost strides are, lines of one element do.
    var (extents, firstStrides, secondStrides) = (arithmetic.extents, arithmetic.firstStrides, arithmetic.secondStrides)
    if !arithmetic.hasUnitStrides {
      extents.append(1)
      firstStrides.append(0)
      secondStrides.append(0)
    }
    self.extents = extents
    self.firstStrides = firstStrides
    self.secondStrides = secondStrides
    self.rowCount = rowCount
    lineLength = extents.last!
    lineCount = extents.dropLast().reduce(1, *)
    elementsPerRow = lineLength * lineCount / rowCount
    self.first = first
    self.second = second
    self.output = output
  }

  func run(_ context: borrowing StepContext, rows: Range<Int>, part: Int, of parts: Int) {
    let elements = rows.lowerBound * elementsPerRow..<rows.upperBound * elementsPerRow
    if lineCount == 1 {
      let elements = share(elements, unit: 64, part: part, of: parts)
      forEachRun(of: elements, perRow: elementsPerRow, first, second, output) { elements, row in
        runLine(context, line: 0, elements, row: row)
      }
    } else {
      let lines = elements.lowerBound / lineLength..<elements.upperBound / lineLength
      let linesPerRow = elementsPerRow / lineLength
      forEachRun(of: share(lines, part: part, of: parts), perRow: linesPerRow, first, second, output) { lines, row in
        for line in lines { runLine(context, line: line, 0..<lineLength, row: row) }
      }
    }
  }

  private func runLine(_ context: borrowing StepContext, line: Int, _ range: Range<Int>, row: Int) {
    var (firstOffset, secondOffset) = (0, 0)
    var rest = line
    for axis in (0..<extents.count - 1).reversed() {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: extents[axis])
      firstOffset += index * firstStrides[axis]
      secondOffset += index * secondStrides[axis]
      rest = quotient
    }
    let (firstStride, secondStride) = (firstStrides.last!, secondStrides.last!)
    withUnsafePointer(to: parameters) { parameters in
      var args = thimble_arithmetic_args(
        arithmetic: parameters,
        first: first.read(context, around: row) + firstOffset + range.lowerBound * firstStride,
        second: second.read(context, around: row) + secondOffset + range.lowerBound * secondStride,
        first_stride: firstStride, second_stride: secondStride,
        out: output.write(context, around: row) + line * lineLength + range.lowerBound, count: range.count)
      kernel(&args)
    }
  }
}

extension Arithmetic {
  /// Whether both operands' innermost strides are 0 or 1.
  var hasUnitStrides: Bool {
    !extents.isEmpty && (0...1).contains(firstStrides.last!) && (0...1).contains(secondStrides.last!)
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
final class LookupStep: RowStep {
  let rowCount: Int
  private let kernels: Kernels
  private let table: [UInt8]
  private let elementsPerRow: Int
  private let input: TensorPlace
  private let output: TensorPlace

  init(
    table: [UInt8], rowCount: Int, elementsPerRow: Int, kernels: Kernels, input: TensorPlace, output: TensorPlace
  ) {
    self.rowCount = rowCount
    self.kernels = kernels
    self.table = table
    self.elementsPerRow = elementsPerRow
    self.input = input
    self.output = output
  }

  func run(_ context: borrowing StepContext, rows: Range<Int>, part: Int, of parts: Int) {
    let elements = share(
      rows.lowerBound * elementsPerRow..<rows.upperBound * elementsPerRow, unit: 64, part: part, of: parts)
    table.withUnsafeBufferPointer { table in
      forEachRun(of: elements, perRow: elementsPerRow, input, output) { elements, row in
        let start = elements.lowerBound
        kernels.table.pointee.lookup(
          input.read(context, around: row) + start, table.baseAddress!, output.write(context, around: row) + start,
          elements.count)
      }
    }
  }
}

/// float32 → bytes.
final class QuantizeStep: RowStep {
  let rowCount: Int
  private let kernels: Kernels
  private let scale: Float
  private let zeroPoint: Int32
  private let elementsPerRow: Int
  private let input: TensorPlace
  private let output: TensorPlace

  init(
    scale: Float, zeroPoint: Int32, rowCount: Int, elementsPerRow: Int, kernels: Kernels, input: TensorPlace,
    output: TensorPlace
  ) {
    self.rowCount = rowCount
    self.kernels = kernels
    self.scale = scale
    self.zeroPoint = zeroPoint
    self.elementsPerRow = elementsPerRow
    self.input = input
    self.output = output
  }

  func run(_ context: borrowing StepContext, rows: Range<Int>, part: Int, of parts: Int) {
    let elements = share(
      rows.lowerBound * elementsPerRow..<rows.upperBound * elementsPerRow, unit: 64, part: part, of: parts)
    forEachRun(of: elements, perRow: elementsPerRow, input, output) { elements, row in
      let source = UnsafeRawPointer(input.read(context, around: row)).assumingMemoryBound(to: Float.self)
      let start = elements.lowerBound
      kernels.table.pointee.quantize(
        source + start, scale, zeroPoint, output.write(context, around: row) + start, elements.count)
    }
  }
}

/// Bytes → float32.
final class DequantizeStep: RowStep {
  let rowCount: Int
  private let kernels: Kernels
  private let scale: Float
  private let zeroPoint: Int32
  private let elementsPerRow: Int
  private let input: TensorPlace
  private let output: TensorPlace

  init(
    scale: Float, zeroPoint: Int32, rowCount: Int, elementsPerRow: Int, kernels: Kernels, input: TensorPlace,
    output: TensorPlace
  ) {
    self.rowCount = rowCount
    self.kernels = kernels
    self.scale = scale
    self.zeroPoint = zeroPoint
    self.elementsPerRow = elementsPerRow
    self.input = input
    self.output = output
  }

  func run(_ context: borrowing StepContext, rows: Range<Int>, part: Int, of parts: Int) {
    let elements = share(
      rows.lowerBound * elementsPerRow..<rows.upperBound * elementsPerRow, unit: 64, part: part, of: parts)
    forEachRun(of: elements, perRow: elementsPerRow, input, output) { elements, row in
      let target = UnsafeMutableRawPointer(output.write(context, around: row)).assumingMemoryBound(to: Float.self)
      let start = elements.lowerBound
      kernels.table.pointee.dequantize(
        input.read(context, around: row) + start, scale, zeroPoint, target + start, elements.count)
    }
  }
}
