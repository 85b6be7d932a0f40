import Tensors

// What makes a graph safe to run. Kernels and plans trust every graph that passes; nothing in a file can make them read or
// write outside their tensors, divide by zero or overflow.

extension Graph {
  /// Checks every index, size, order and parameter. `fileByteCount` bounds the tiles; nil for a graph not yet written.
  public func validate(fileByteCount: Int? = nil) throws(ModelFileError) {
    for (index, tensor) in tensors.enumerated() {
      try tensor.validate("tensor \(index) (\(tensor.name))", blobs: blobs)
    }
    var storedByteCount = 0
    for (index, blob) in blobs.enumerated() {
      try blob.validate("blob \(index)", fileByteCount: fileByteCount)
      // Tiles lie side by side; were many one range of the file, checking them would take for ever.
      for tile in blob.tiles { storedByteCount += tile.storedByteCount }
    }
    if let fileByteCount, storedByteCount > fileByteCount {
      throw .invalid("the tiles have \(storedByteCount) bytes, the file only \(fileByteCount)")
    }

    guard !inputs.isEmpty, !outputs.isEmpty else { throw .invalid("the model has no inputs or no outputs") }
    var isReady = tensors.map { $0.constant != nil }
    for index in inputs {
      guard tensors.indices.contains(index), !isReady[index] else {
        throw .invalid("input tensor \(index) does not exist, is constant or is named twice")
      }
      isReady[index] = true
    }
    for (index, step) in operators.enumerated() {
      let place = "operator \(index) (\(step.name))"
      for input in step.inputs {
        guard tensors.indices.contains(input) else {
          throw .invalid("\(place) reads tensor \(input), which does not exist")
        }
        guard isReady[input] else { throw .invalid("\(place) reads tensor \(input) before anything writes it") }
      }
      guard tensors.indices.contains(step.output), !isReady[step.output] else {
        throw .invalid("\(place) writes tensor \(step.output), which does not exist or is already written")
      }
      isReady[step.output] = true
      let check = OperatorCheck(
        place: place, operands: step.inputs.map { tensors[$0] }, output: tensors[step.output], blobs: blobs)
      try check.check(step.operation)
    }
    for index in outputs {
      guard tensors.indices.contains(index), isReady[index], tensors[index].constant == nil else {
        throw .invalid("output tensor \(index) does not exist, is constant or is never written")
      }
    }
  }
}

extension TensorInfo {
  fileprivate func validate(_ place: String, blobs: [Blob]) throws(ModelFileError) {
    guard let elements = shape.checkedElementCount, elements > 0 else {
      throw .invalid("\(place) has an empty or impossible shape \(shape.description)")
    }
    let (byteCount, overflow) = elements.multipliedReportingOverflow(by: elementType.byteCount)
    guard !overflow, byteCount <= ModelLimits.tensorByteCountMax else {
      throw .tooLarge(part: place, count: elements, limit: ModelLimits.tensorByteCountMax / elementType.byteCount)
    }
    if let quantization {
      guard quantization.scale.isFinite, quantization.scale > 0 else {
        throw .invalid("\(place) has a scale that is not positive")
      }
    }
    if let constant {
      guard blobs.indices.contains(constant), blobs[constant].byteCount == byteCount else {
        throw .invalid("\(place) is constant, but its blob does not exist or has another size")
      }
    }
  }
}

extension Blob {
  fileprivate func validate(_ place: String, fileByteCount: Int?) throws(ModelFileError) {
    guard byteCount > 0, byteCount <= ModelLimits.blobByteCountMax else {
      throw .tooLarge(part: place, count: byteCount, limit: ModelLimits.blobByteCountMax)
    }
    guard let fileByteCount else { return }
    var total = 0
    for tile in tiles {
      guard tile.storedByteCount > 0, tile.decodedByteCount > 0 else { throw .invalid("\(place) has an empty tile") }
      guard tile.fileOffset >= ModelFormat.headerByteCount, tile.fileOffset % ModelFormat.alignment == 0,
        tile.fileOffset <= fileByteCount, tile.storedByteCount <= fileByteCount - tile.fileOffset
      else { throw .invalid("\(place) has a tile outside the file or out of line") }
      guard tile.encoding != .raw || tile.storedByteCount == tile.decodedByteCount else {
        throw .invalid("\(place) has a raw tile with two sizes")
      }
      // Raw tiles are used in place, and kernels may read this far past a tensor's end.
      guard
        tile.encoding != .raw
          || fileByteCount - tile.fileOffset - tile.storedByteCount >= ModelFormat.trailingByteCount
      else { throw .invalid("\(place) has a raw tile too near the file's end") }
      total += tile.decodedByteCount  // at most tileCountMax · tileByteCountMax = 2⁴⁸
    }
    guard total == byteCount else { throw .invalid("\(place) has \(byteCount) bytes, but its tiles have \(total)") }
  }
}

/// Checks one operator against its tensors.
private struct OperatorCheck {
  let place: String
  let operands: [TensorInfo]
  let output: TensorInfo
  let blobs: [Blob]

  func require(_ condition: Bool, _ what: StaticString) throws(ModelFileError) {
    guard condition else { throw .invalid("\(place): \(what)") }
  }

  /// The number of operands, and that they and the output hold quantized bytes.
  func requireBytes(_ count: Int) throws(ModelFileError) {
    try require(operands.count == count, "wrong number of operands")
    for operand in operands { try require(operand.elementType.isQuantizedByte, "an operand is not of bytes") }
    try require(output.elementType.isQuantizedByte, "the output is not of bytes")
  }

  /// The product of sizes that are each at most `tensorByteCountMax`; nil where it passes that limit.
  func product(_ factors: [Int]) -> Int? {
    var product = 1
    for factor in factors {
      guard factor >= 0 else { return nil }
      let (next, overflow) = product.multipliedReportingOverflow(by: factor)
      guard !overflow, next <= ModelLimits.tensorByteCountMax else { return nil }
      product = next
    }
    return product
  }

  func check(_ operation: Operation) throws(ModelFileError) {
    switch operation {
    case .convolution(let convolution): try check(convolution, isDepthwise: false)
    case .depthwiseConvolution(let convolution): try check(convolution, isDepthwise: true)
    case .arithmetic(let arithmetic): try check(arithmetic)
    case .pool(let pool):
      try requireBytes(1)
      try check(pool.geometry)
      try require(pool.geometry.inputChannels == pool.geometry.outputChannels, "a pool changes the channels")
      try require(everyWindowTouchesThePicture(pool.geometry), "a window lies outside the picture")
      try require(pool.clampMin <= pool.clampMax, "the clamp is empty")
    case .mean(let mean): try check(mean)
    case .softmax(let softmax):
      try requireBytes(1)
      let count = product([softmax.rows, softmax.depth])
      try require(softmax.depth > 0 && count == operands[0].byteCount && count == output.byteCount, "sizes differ")
      try require(softmax.exponentials.count == 256, "the table does not have 256 entries")
      // Each term of a row's sum is at most 2¹⁹ of 32 bits.
      try require(softmax.depth < 1 << 12, "the row is longer than its sum can hold")
      // The greatest element's own term: with it the sum is not zero.
      try require(softmax.exponentials[0] >= 1 << 12, "the table's first entry is too small")
    case .lookup(let table):
      try requireBytes(1)
      try require(table.count == 256, "the table does not have 256 entries")
      try require(operands[0].byteCount == output.byteCount, "sizes differ")
    case .quantize(let scale, let zeroPoint):
      try require(operands.count == 1 && operands[0].elementType == .float32, "the operand is not float")
      try require(output.elementType.isQuantizedByte, "the output is not of bytes")
      try check(scale: scale, zeroPoint: zeroPoint, elements: operands[0].shape.elementCount == output.byteCount)
    case .dequantize(let scale, let zeroPoint):
      try require(operands.count == 1 && operands[0].elementType.isQuantizedByte, "the operand is not of bytes")
      try require(output.elementType == .float32, "the output is not float")
      try check(scale: scale, zeroPoint: zeroPoint, elements: operands[0].byteCount == output.shape.elementCount)
    case .resize(let resize):
      try requireBytes(1)
      let sizes = [resize.inputHeight, resize.inputWidth, resize.outputHeight, resize.outputWidth]
      try require(sizes.allSatisfy { $0 > 0 }, "an empty picture")
      let input = product([resize.batches, resize.inputHeight, resize.inputWidth, resize.channels])
      let result = product([resize.batches, resize.outputHeight, resize.outputWidth, resize.channels])
      try require(input == operands[0].byteCount && result == output.byteCount, "sizes differ")
    case .argExtreme(let extreme):
      try require(operands.count == 1 && operands[0].elementType.isQuantizedByte, "the operand is not of bytes")
      try require(output.elementType == .int32 || output.elementType == .int64, "the output is not an index")
      try require(extreme.extent > 0, "an empty axis")
      try require(
        product([extreme.outer, extreme.extent, extreme.inner]) == operands[0].byteCount
          && product([extreme.outer, extreme.inner]) == output.shape.elementCount, "sizes differ")
    case .copy(let copy): try check(copy)
    case .reshape:
      try require(operands.count == 1 && operands[0].byteCount == output.byteCount, "sizes differ")
      try require(operands[0].elementType.byteCount == output.elementType.byteCount, "element types differ")
    }
  }

  func check(scale: Float, zeroPoint: Int32, elements: Bool) throws(ModelFileError) {
    try require(scale > 0, "the scale is not positive")
    try require((0...255).contains(zeroPoint), "the zero point is not a byte")
    try require(elements, "sizes differ")
  }

  func check(_ factor: FixedPointFactor) throws(ModelFileError) {
    try require((-31...31).contains(factor.shift), "a shift is out of range")
  }

  func check(_ geometry: WindowGeometry) throws(ModelFileError) {
    let positive = [
      geometry.batches, geometry.inputHeight, geometry.inputWidth, geometry.inputChannels, geometry.outputHeight,
      geometry.outputWidth, geometry.outputChannels, geometry.kernelHeight, geometry.kernelWidth, geometry.strideHeight,
      geometry.strideWidth, geometry.dilationHeight, geometry.dilationWidth,
    ]
    try require(positive.allSatisfy { (1...ModelLimits.geometryMax).contains($0) }, "the geometry is out of range")
    for padding in [geometry.paddingTop, geometry.paddingLeft] {
      try require((0...ModelLimits.geometryMax).contains(padding), "the padding is out of range")
    }
    try require(geometry.kernelHeight * geometry.kernelWidth <= ModelLimits.windowTapsMax, "the window is too large")
    let input = product([geometry.batches, geometry.inputHeight, geometry.inputWidth, geometry.inputChannels])
    let result = product([geometry.batches, geometry.outputHeight, geometry.outputWidth, geometry.outputChannels])
    try require(input == operands[0].byteCount && result == output.byteCount, "the geometry does not fit the tensors")
  }

  /// Whether each window of a pool covers at least one tap of the picture, so that its average exists.
  func everyWindowTouchesThePicture(_ geometry: WindowGeometry) -> Bool {
    func touches(_ count: Int, _ stride: Int, _ padding: Int, _ kernel: Int, _ size: Int) -> Bool {
      padding < kernel && (count - 1) * stride - padding < size
    }
    return geometry.dilationHeight == 1 && geometry.dilationWidth == 1
      && touches(
        geometry.outputHeight, geometry.strideHeight, geometry.paddingTop, geometry.kernelHeight, geometry.inputHeight)
      && touches(
        geometry.outputWidth, geometry.strideWidth, geometry.paddingLeft, geometry.kernelWidth, geometry.inputWidth)
  }

  func check(_ convolution: Convolution, isDepthwise: Bool) throws(ModelFileError) {
    try requireBytes(1)
    let geometry = convolution.geometry
    try check(geometry)
    // Rows with their padding are copied, as many as a window has.
    try require(
      product([geometry.windowColumns, geometry.inputChannels, geometry.kernelHeight]) != nil,
      "the windows reach too far")
    let channels = convolution.channels
    let count = geometry.outputChannels
    try require(
      channels.bias.count == count && channels.weightSum.count == count && channels.multiplier.count == count
        && channels.shift.count == count, "not one set of channel parameters a channel")
    try require(channels.shift.allSatisfy { (-31...31).contains($0) }, "a shift is out of range")
    try require(channels.multiplier.allSatisfy { $0 >= 0 }, "a multiplier is negative")
    try require((-128...127).contains(convolution.weightZeroPoint), "the weights' zero point is out of range")
    try require(convolution.clampMin <= convolution.clampMax, "the clamp is empty")
    try require(blobs.indices.contains(convolution.weights), "the weights do not exist")
    if isDepthwise {
      try require(count % geometry.inputChannels == 0, "the output's channels are not a multiple of the input's")
    }
    // Each factor is at most geometryMax or windowTapsMax · geometryMax: far below overflow.
    let panel = isDepthwise ? convolution.depthwisePanelByteCount : convolution.panelByteCount
    let (weights, overflow) = panel.multipliedReportingOverflow(by: convolution.panelCount)
    try require(!overflow && blobs[convolution.weights].byteCount == weights, "the weights have another size")
    for tile in blobs[convolution.weights].tiles {
      try require(tile.decodedByteCount % panel == 0, "a tile cuts a panel in two")
    }
  }

  func check(_ arithmetic: Arithmetic) throws(ModelFileError) {
    try requireBytes(2)
    try require(product(arithmetic.extents) == output.byteCount, "the extents do not fit the output")
    for (strides, operand) in [(arithmetic.firstStrides, operands[0]), (arithmetic.secondStrides, operands[1])] {
      try check(strides: strides, extents: arithmetic.extents, offset: 0, run: 1, byteCount: operand.byteCount)
    }
    for zeroPoint in [arithmetic.firstZeroPoint, arithmetic.secondZeroPoint, arithmetic.outputZeroPoint] {
      try require((0...255).contains(zeroPoint), "a zero point is not a byte")
    }
    for factor in [arithmetic.firstFactor, arithmetic.secondFactor, arithmetic.outputFactor] { try check(factor) }
    try require(arithmetic.clampMin <= arithmetic.clampMax, "the clamp is empty")
  }

  /// That offset + Σ index · stride + run stays inside a tensor for every index; strides of either sign.
  func check(strides: [Int], extents: [Int], offset: Int, run: Int, byteCount: Int) throws(ModelFileError) {
    try require(strides.count == extents.count && extents.count <= 8, "strides and extents differ in number")
    var (least, greatest) = (offset, offset)
    for (stride, extent) in zip(strides, extents) {
      try require((1...ModelLimits.tensorByteCountMax).contains(extent), "an extent is out of range")
      try require(abs(stride.clamped) <= ModelLimits.tensorByteCountMax, "a stride is out of range")
      let reach = (extent - 1) * stride  // below 2⁶²
      // Bounded after every axis, so that the sum cannot overflow either.
      if reach < 0 { least += reach } else { greatest += reach }
      try require(least >= 0 && greatest < byteCount, "it reaches outside a tensor")
    }
    try require(run > 0 && run <= byteCount && greatest <= byteCount - run, "it reaches outside a tensor")
  }

  func check(_ mean: Mean) throws(ModelFileError) {
    try requireBytes(1)
    try require(mean.keptExtents.count + mean.reducedExtents.count <= 8, "too many axes")
    // One by one: together, a stride too many here could make up for one too few there.
    try require(
      mean.keptExtents.count == mean.keptStrides.count && mean.reducedExtents.count == mean.reducedStrides.count,
      "strides and extents differ in number")
    try check(
      strides: mean.keptStrides + mean.reducedStrides, extents: mean.keptExtents + mean.reducedExtents, offset: 0,
      run: 1, byteCount: operands[0].byteCount)
    try require(product(mean.keptExtents) == output.byteCount, "the kept axes do not fit the output")
    try require(
      product(mean.keptExtents + mean.reducedExtents) == operands[0].byteCount, "the axes do not fit the operand")
    // The sum of this many bytes fits 32 bits.
    try require((product(mean.reducedExtents) ?? Int.max) <= 1 << 22, "too many elements in one mean")
    try require(
      (0...255).contains(mean.inputZeroPoint) && (0...255).contains(mean.outputZeroPoint), "a zero point is not a byte")
    try check(mean.factor)
  }

  func check(_ copy: Copy) throws(ModelFileError) {
    try require(!operands.isEmpty, "a copy without operands")
    var copied = 0
    for region in copy.regions {
      try require(operands.indices.contains(region.operand), "a region's operand does not exist")
      let operand = operands[region.operand]
      try check(
        strides: region.sourceStrides, extents: region.extents, offset: region.sourceOffset, run: region.runByteCount,
        byteCount: operand.byteCount)
      try check(
        strides: region.destinationStrides, extents: region.extents, offset: region.destinationOffset,
        run: region.runByteCount, byteCount: output.byteCount)
      // Each output byte is written once at most; a stride of 0 must not make a copy endless.
      copied += product(region.extents + [region.runByteCount]) ?? ModelLimits.tensorByteCountMax + 1
      try require(copied <= output.byteCount, "the regions overlap")
    }
  }
}

extension Int {
  /// The value, with `min` (whose magnitude does not exist) replaced.
  fileprivate var clamped: Int { self == .min ? .max : self }
}
