import ModelFile
import Tensors

/// One loop of a copy, in bytes.
struct CopyAxis {
  var extent: Int
  var source: Int
  var destination: Int
}

extension Copy.Region {
  /// Loops over elements of `elementBytes`, outermost first, brought to their shortest form: neighbours merged, and
  /// contiguous elements made one run.
  init(
    operand: Int = 0, sourceOffset: Int = 0, destinationOffset: Int = 0, elementBytes: Int, axes: [CopyAxis]
  ) {
    var run = elementBytes
    var merged: [CopyAxis] = []  // innermost first
    for axis in axes.reversed() where axis.extent != 1 {
      if merged.isEmpty, axis.source == run, axis.destination == run {
        run *= axis.extent
      } else if let inner = merged.last, axis.source == inner.source * inner.extent,
        axis.destination == inner.destination * inner.extent
      {
        merged[merged.count - 1].extent *= axis.extent
      } else {
        merged.append(axis)
      }
    }
    merged.reverse()
    self.init(
      operand: operand, sourceOffset: sourceOffset, destinationOffset: destinationOffset,
      extents: merged.map { $0.extent }, sourceStrides: merged.map { $0.source },
      destinationStrides: merged.map { $0.destination }, runByteCount: run)
  }
}

/// RESHAPE and its relatives, PAD, CONCATENATION, TRANSPOSE, TILE, PACK, UNPACK.
extension GraphBuilder {
  mutating func lowerReshape(_ node: TFLiteOperator) throws(ImportError) {
    var dimensions: [Int]
    if hasInput(node, 1) {
      dimensions = try constantIntegers(node, 1)
    } else {
      dimensions = try options(of: node).integers(0) ?? []
    }
    guard dimensions.count <= Shape.rankMax else { throw fail(node, .rank(dimensions.count)) }
    let (input, output) = try movedPair(node)
    let count = input.shape.elementCount
    if let open = dimensions.firstIndex(of: -1) {
      dimensions[open] = 1
      guard let known = Shape(dimensions).checkedElementCount, known > 0, count % known == 0 else {
        throw fail(node, .shapes(input.shape, Shape(dimensions)))
      }
      dimensions[open] = count / known
    }
    guard Shape(dimensions).checkedElementCount == count else {
      throw fail(node, .shapes(input.shape, Shape(dimensions)))
    }
    try emit(node, .reshape, inputs: [try value(of: input)], output: output, shape: Shape(dimensions))
  }

  mutating func lowerSqueeze(_ node: TFLiteOperator) throws(ImportError) {
    let (input, output) = try movedPair(node)
    var isDropped = [Bool](repeating: false, count: input.shape.rank)
    let listed = try node.options?.integers(0) ?? []
    for number in listed {
      let axis = try axis(number, rank: input.shape.rank, of: node)
      guard input.shape[axis] == 1 else { throw fail(node, .axis(axis, rank: input.shape.rank)) }
      isDropped[axis] = true
    }
    if listed.isEmpty { isDropped = input.shape.dimensions.map { $0 == 1 } }
    var dimensions: [Int] = []
    for axis in 0..<input.shape.rank where !isDropped[axis] { dimensions.append(input.shape[axis]) }
    try emit(node, .reshape, inputs: [try value(of: input)], output: output, shape: Shape(dimensions))
  }

  mutating func lowerExpandDims(_ node: TFLiteOperator) throws(ImportError) {
    let (input, output) = try movedPair(node)
    let axis = try axis(try constantInteger(node, 1), rank: input.shape.rank + 1, of: node)
    var dimensions = input.shape.dimensions
    dimensions.insert(1, at: axis)
    guard dimensions.count <= Shape.rankMax else { throw fail(node, .rank(dimensions.count)) }
    try emit(node, .reshape, inputs: [try value(of: input)], output: output, shape: Shape(dimensions))
  }

  /// input, amounts (rank,2) [, value] → input with that many elements before and after each axis
  mutating func lowerPad(_ node: TFLiteOperator) throws(ImportError) {
    let (input, output) = try movedPair(node)
    let amounts = try constantIntegers(node, 1)
    guard amounts.count == 2 * input.shape.rank else {
      throw fail(node, .option("the count of amounts", amounts.count))
    }
    var dimensions: [Int] = []
    for (axis, dimension) in input.shape.dimensions.enumerated() {
      let (before, after) = (amounts[2 * axis], amounts[2 * axis + 1])
      for amount in [before, after] where !(0...ImportLimits.tensorBytesMax).contains(amount) {
        throw fail(node, .option("an amount of padding", amount))
      }
      dimensions.append(before + dimension + after)
    }
    let padded = try describe(output.tensor, shape: Shape(dimensions))
    var fill = input.type == .int8 ? UInt8(128) : 0
    if padded.quantization != nil { fill = UInt8(padded.zeroPoint) }
    if hasInput(node, 2) { fill = try fillByte(node, 2, type: input.type) }
    let bytes = input.type.byteCount
    var offset = 0
    var axes: [CopyAxis] = []
    for axis in 0..<input.shape.rank {
      offset += amounts[2 * axis] * padded.shape.stride(of: axis) * bytes
      axes.append(
        CopyAxis(
          extent: input.shape[axis], source: input.shape.stride(of: axis) * bytes,
          destination: padded.shape.stride(of: axis) * bytes))
    }
    let region = Copy.Region(destinationOffset: offset, elementBytes: bytes, axes: axes)
    let copy = Copy(fill: dimensions == input.shape.dimensions ? nil : fill, regions: [region])
    try emit(node, .copy(copy), inputs: [try value(of: input)], output: output, shape: Shape(dimensions))
    if input.shape.rank == 4, input.type.isQuantizedByte, amounts[0] + amounts[1] + amounts[6] + amounts[7] == 0 {
      margins[values[output.tensor]!] = Margin(source: input, fill: fill, top: amounts[2], left: amounts[4])
    }
  }

  /// The byte that a constant scalar consists of, in the unsigned domain.
  private func fillByte(_ node: TFLiteOperator, _ position: Int, type: ElementType) throws(ImportError) -> UInt8 {
    let operand = try input(node, position)
    guard operand.type == type else { throw fail(node, .elementType(tensor: operand.name, type: operand.type)) }
    try requireConstant(node, operand)
    let bytes = try constantBytes(operand)
    guard operand.shape.elementCount == 1, bytes.allSatisfy({ $0 == bytes[0] }) else {
      throw fail(node, .option("a padding value whose bytes differ, of bytes", bytes.count))
    }
    return bytes[0] ^ (type == .int8 ? 0x80 : 0)
  }

  mutating func lowerConcatenation(_ node: TFLiteOperator) throws(ImportError) {
    let (first, output) = try movedPair(node)
    let options = try options(of: node)
    let activation = try activation(try options.integer(1, Int8.self), of: node)
    guard activation == .none else { throw fail(node, .option("the fused activation", activation.rawValue)) }
    let axis = try axis(try options.integer(0, Int32.self), rank: first.shape.rank, of: node)
    var operands: [Operand] = []
    var total = 0
    for position in node.inputs.indices {
      let operand = try input(node, position)
      guard operand.type == first.type else { throw fail(node, .elementType(tensor: operand.name, type: operand.type)) }
      var dimensions = operand.shape.dimensions
      guard dimensions.count == first.shape.rank else { throw fail(node, .shapes(first.shape, operand.shape)) }
      total += dimensions[axis]
      dimensions[axis] = first.shape[axis]
      guard dimensions == first.shape.dimensions else { throw fail(node, .shapes(first.shape, operand.shape)) }
      operands.append(operand)
    }
    var dimensions = first.shape.dimensions
    dimensions[axis] = total
    let joined = try describe(output.tensor, shape: Shape(dimensions))
    var copy = Copy(fill: nil, regions: [])
    var values: [Int] = []
    var offset = 0
    for (position, operand) in operands.enumerated() {
      values.append(try rescaled(node, operand, to: joined))
      copy.regions.append(
        piece(of: operand, in: joined.shape, axis: axis, operand: position, destinationOffset: offset))
      offset += operand.shape[axis] * joined.shape.stride(of: axis) * first.type.byteCount
    }
    try emit(node, .copy(copy), inputs: values, output: output, shape: joined.shape)
  }

  /// A whole operand copied into a slice of a tensor of shape `whole` that differs in `axis` only.
  private func piece(
    of operand: Operand, in whole: Shape, axis: Int, operand position: Int, destinationOffset: Int
  ) -> Copy.Region {
    let bytes = operand.type.byteCount
    let axes = (0..<whole.rank).map { index in
      CopyAxis(
        extent: operand.shape[index], source: operand.shape.stride(of: index) * bytes,
        destination: whole.stride(of: index) * bytes)
    }
    return Copy.Region(operand: position, destinationOffset: destinationOffset, elementBytes: bytes, axes: axes)
  }

  /// The operand's value on the output's scale. The reference rescales uint8 operands of a concatenation in float; that
  /// is a function of a byte, so it becomes a lookup. int8 ones must have the output's scale.
  private mutating func rescaled(
    _ node: TFLiteOperator, _ operand: Operand, to output: Operand
  ) throws(ImportError) -> Int {
    let source = try value(of: operand)
    guard operand.type.isQuantizedByte, operand.quantization != output.quantization else { return source }
    guard operand.type == .uint8 else { throw fail(node, .quantizationDiffers(tensor: operand.name)) }
    let (input, output) = (try quantized(node, operand), try quantized(node, output))
    let scale = input.scale * (1 / output.scale)
    let bias = Float(-input.zeroPoint) * scale
    let table = lookupTable(input, output) { stored in
      Int32(
        clamping: Int64(int32((Float(stored) * scale + bias).rounded(.toNearestOrAwayFromZero)))
          + Int64(output.zeroPoint))
    }
    var temporary = operand
    temporary.quantization = output.quantization
    let value = addTensor(temporary, owner: -1)
    graph.operators.append(Operator(name: node.name, operation: .lookup(table), inputs: [source], output: value))
    return value
  }

  mutating func lowerTranspose(_ node: TFLiteOperator) throws(ImportError) {
    let (input, output) = try movedPair(node)
    let order = try constantIntegers(node, 1)
    guard order.count == input.shape.rank else { throw fail(node, .rank(order.count)) }
    var isUsed = [Bool](repeating: false, count: order.count)
    var sources: [Int] = []
    for number in order {
      let axis = try axis(number, rank: input.shape.rank, of: node)
      guard !isUsed[axis] else { throw fail(node, .axis(axis, rank: input.shape.rank)) }
      isUsed[axis] = true
      sources.append(axis)
    }
    let shape = Shape(sources.map { input.shape[$0] })
    let bytes = input.type.byteCount
    let axes = sources.enumerated().map { index, axis in
      CopyAxis(
        extent: input.shape[axis], source: input.shape.stride(of: axis) * bytes,
        destination: shape.stride(of: index) * bytes)
    }
    let copy = Copy(fill: nil, regions: [Copy.Region(elementBytes: bytes, axes: axes)])
    try emit(node, .copy(copy), inputs: [try value(of: input)], output: output, shape: shape)
  }

  mutating func lowerTile(_ node: TFLiteOperator) throws(ImportError) {
    let (input, output) = try movedPair(node)
    let multiples = try constantIntegers(node, 1)
    guard multiples.count == input.shape.rank else { throw fail(node, .rank(multiples.count)) }
    var dimensions: [Int] = []
    for (dimension, multiple) in zip(input.shape.dimensions, multiples) {
      guard (1...ImportLimits.tensorBytesMax).contains(multiple) else {
        throw fail(node, .option("a multiple", multiple))
      }
      dimensions.append(dimension * multiple)
    }
    let shape = try describe(output.tensor, shape: Shape(dimensions)).shape
    let bytes = input.type.byteCount
    var axes: [CopyAxis] = []
    for axis in 0..<shape.rank {
      let step = shape.stride(of: axis) * bytes
      axes.append(CopyAxis(extent: multiples[axis], source: 0, destination: step * input.shape[axis]))
      axes.append(
        CopyAxis(extent: input.shape[axis], source: input.shape.stride(of: axis) * bytes, destination: step))
    }
    let region = Copy.Region(elementBytes: bytes, axes: axes)
    guard region.extents.count <= Shape.rankMax else { throw fail(node, .rank(shape.rank)) }
    let copy = Copy(fill: nil, regions: [region])
    try emit(node, .copy(copy), inputs: [try value(of: input)], output: output, shape: shape)
  }

  /// Operands of one shape, each a slice along a new axis.
  mutating func lowerPack(_ node: TFLiteOperator) throws(ImportError) {
    let (first, output) = try movedPair(node)
    let options = try options(of: node)
    let axis = try axis(try options.integer(1, Int32.self), rank: first.shape.rank + 1, of: node)
    guard first.shape.rank < Shape.rankMax else { throw fail(node, .rank(first.shape.rank)) }
    var dimensions = first.shape.dimensions
    dimensions.insert(node.inputs.count, at: axis)
    let whole = try describe(output.tensor, shape: Shape(dimensions)).shape
    var copy = Copy(fill: nil, regions: [])
    var values: [Int] = []
    for position in node.inputs.indices {
      var operand = try input(node, position)
      guard operand.type == first.type else { throw fail(node, .elementType(tensor: operand.name, type: operand.type)) }
      guard operand.shape == first.shape else { throw fail(node, .shapes(first.shape, operand.shape)) }
      values.append(try value(of: operand))
      var slice = operand.shape.dimensions
      slice.insert(1, at: axis)
      operand.shape = Shape(slice)
      let offset = position * whole.stride(of: axis) * first.type.byteCount
      copy.regions.append(piece(of: operand, in: whole, axis: axis, operand: position, destinationOffset: offset))
    }
    try emit(node, .copy(copy), inputs: values, output: output, shape: whole)
  }
}
