// The records of operations in the container's metadata: a code, then the operation's numbers.

extension Operation {
  enum Code: UInt8 {
    case convolution = 1
    case depthwiseConvolution = 2
    case arithmetic = 3
    case pool = 4
    case mean = 5
    case softmax = 6
    case lookup = 7
    case quantize = 8
    case dequantize = 9
    case resize = 10
    case argExtreme = 11
    case copy = 12
    case reshape = 13
  }

  func write(to writer: inout ByteWriter) {
    func code(_ code: Code) { writer.write(code.rawValue) }
    switch self {
    case .convolution(let convolution):
      code(.convolution)
      convolution.write(to: &writer)
    case .depthwiseConvolution(let convolution):
      code(.depthwiseConvolution)
      convolution.write(to: &writer)
    case .arithmetic(let arithmetic):
      code(.arithmetic)
      arithmetic.write(to: &writer)
    case .pool(let pool):
      code(.pool)
      pool.write(to: &writer)
    case .mean(let mean):
      code(.mean)
      mean.write(to: &writer)
    case .softmax(let softmax):
      code(.softmax)
      writer.write(softmax.rows)
      writer.write(softmax.depth)
      writer.write(softmax.exponentials)
    case .lookup(let table):
      code(.lookup)
      writer.write(table)
    case .quantize(let scale, let zeroPoint):
      code(.quantize)
      writer.write(scale)
      writer.write(zeroPoint)
    case .dequantize(let scale, let zeroPoint):
      code(.dequantize)
      writer.write(scale)
      writer.write(zeroPoint)
    case .resize(let resize):
      code(.resize)
      resize.write(to: &writer)
    case .argExtreme(let extreme):
      code(.argExtreme)
      writer.write(extreme.outer)
      writer.write(extreme.extent)
      writer.write(extreme.inner)
      writer.write(extreme.takesMinimum)
    case .copy(let copy):
      code(.copy)
      copy.write(to: &writer)
    case .reshape:
      code(.reshape)
    }
  }

  init(from reader: inout ByteReader) throws(ModelFileError) {
    switch try reader.readCase(Code.self, "an operation's code") {
    case .convolution: self = .convolution(try Convolution(from: &reader))
    case .depthwiseConvolution: self = .depthwiseConvolution(try Convolution(from: &reader))
    case .arithmetic: self = .arithmetic(try Arithmetic(from: &reader))
    case .pool: self = .pool(try Pool(from: &reader))
    case .mean: self = .mean(try Mean(from: &reader))
    case .softmax:
      self = .softmax(
        Softmax(
          rows: try reader.readElementCount("a softmax's rows"),
          depth: try reader.readElementCount("a softmax's depth"),
          exponentials: try reader.readArray(Int32.self, "a softmax's table", limit: 256)))
    case .lookup: self = .lookup(try reader.readArray(UInt8.self, "a lookup table", limit: 256))
    case .quantize:
      self = .quantize(
        scale: try reader.readFloat("a scale"), zeroPoint: try reader.read(Int32.self, "a zero point"))
    case .dequantize:
      self = .dequantize(
        scale: try reader.readFloat("a scale"), zeroPoint: try reader.read(Int32.self, "a zero point"))
    case .resize: self = .resize(try Resize(from: &reader))
    case .argExtreme:
      self = .argExtreme(
        ArgExtreme(
          outer: try reader.readElementCount("an axis"), extent: try reader.readElementCount("an axis"),
          inner: try reader.readElementCount("an axis"), takesMinimum: try reader.readBool("an extreme's direction")))
    case .copy: self = .copy(try Copy(from: &reader))
    case .reshape: self = .reshape
    }
  }
}

extension ByteReader {
  /// A number of elements, at most what one tensor may have.
  mutating func readElementCount(_ what: StaticString) throws(ModelFileError) -> Int {
    try readCount(what, limit: ModelLimits.tensorByteCountMax)
  }

  /// One entry an axis.
  mutating func readAxes(_ what: StaticString) throws(ModelFileError) -> [Int] {
    try readArray(Int64.self, what, limit: 8).map { Int($0) }
  }

  mutating func readFactor() throws(ModelFileError) -> FixedPointFactor {
    FixedPointFactor(
      multiplier: try read(Int32.self, "a multiplier"), shift: try read(Int32.self, "a shift"))
  }
}

extension ByteWriter {
  mutating func write(_ factor: FixedPointFactor) {
    write(factor.multiplier)
    write(factor.shift)
  }
}

extension WindowGeometry {
  func write(to writer: inout ByteWriter) {
    for value in [
      batches, inputHeight, inputWidth, inputChannels, outputHeight, outputWidth, outputChannels, kernelHeight,
      kernelWidth, strideHeight, strideWidth, dilationHeight, dilationWidth, paddingTop, paddingLeft,
    ] { writer.write(UInt32(value)) }
  }

  init(from reader: inout ByteReader) throws(ModelFileError) {
    func next() throws(ModelFileError) -> Int {
      try reader.readShortCount("a window's geometry", limit: ModelLimits.geometryMax)
    }
    self.init()
    batches = try next()
    inputHeight = try next()
    inputWidth = try next()
    inputChannels = try next()
    outputHeight = try next()
    outputWidth = try next()
    outputChannels = try next()
    kernelHeight = try next()
    kernelWidth = try next()
    strideHeight = try next()
    strideWidth = try next()
    dilationHeight = try next()
    dilationWidth = try next()
    paddingTop = try next()
    paddingLeft = try next()
  }
}

extension Convolution {
  func write(to writer: inout ByteWriter) {
    geometry.write(to: &writer)
    writer.write(UInt32(weights))
    writer.write(channels.bias)
    writer.write(channels.weightSum)
    writer.write(channels.multiplier)
    writer.write(channels.shift)
    writer.write(inputZeroPoint)
    writer.write(weightZeroPoint)
    writer.write(outputZeroPoint)
    writer.write(clampMin)
    writer.write(clampMax)
    writer.write(roundsOnce)
  }

  init(from reader: inout ByteReader) throws(ModelFileError) {
    let limit = ModelLimits.geometryMax
    self.init(
      geometry: try WindowGeometry(from: &reader),
      weights: Int(try reader.read(UInt32.self, "a convolution's weights")),
      channels: ChannelParameters(
        bias: try reader.readArray(Int32.self, "a convolution's bias", limit: limit),
        weightSum: try reader.readArray(Int32.self, "a convolution's weight sums", limit: limit),
        multiplier: try reader.readArray(Int32.self, "a convolution's multipliers", limit: limit),
        shift: try reader.readArray(Int8.self, "a convolution's shifts", limit: limit)),
      inputZeroPoint: try reader.read(UInt8.self, "a zero point"),
      weightZeroPoint: try reader.read(Int32.self, "a zero point"),
      outputZeroPoint: try reader.read(UInt8.self, "a zero point"), clampMin: try reader.read(UInt8.self, "a clamp"),
      clampMax: try reader.read(UInt8.self, "a clamp"), roundsOnce: try reader.readBool("a convolution's rounding"))
  }
}

extension Arithmetic {
  func write(to writer: inout ByteWriter) {
    writer.write(kind.rawValue)
    writer.write(extents)
    writer.write(firstStrides)
    writer.write(secondStrides)
    writer.write(firstZeroPoint)
    writer.write(secondZeroPoint)
    writer.write(outputZeroPoint)
    writer.write(firstFactor)
    writer.write(secondFactor)
    writer.write(outputFactor)
    writer.write(clampMin)
    writer.write(clampMax)
    writer.write(fusedForm != nil)
    if let fusedForm {
      writer.write(fusedForm.a)
      writer.write(fusedForm.b)
      writer.write(fusedForm.c)
    }
  }

  init(from reader: inout ByteReader) throws(ModelFileError) {
    self.init(
      kind: try reader.readCase(Kind.self, "an arithmetic kind"), extents: try reader.readAxes("arithmetic extents"),
      firstStrides: try reader.readAxes("arithmetic strides"), secondStrides: try reader.readAxes("arithmetic strides"),
      firstZeroPoint: try reader.read(Int32.self, "a zero point"),
      secondZeroPoint: try reader.read(Int32.self, "a zero point"),
      outputZeroPoint: try reader.read(Int32.self, "a zero point"), firstFactor: try reader.readFactor(),
      secondFactor: try reader.readFactor(), outputFactor: try reader.readFactor(),
      clampMin: try reader.read(UInt8.self, "a clamp"), clampMax: try reader.read(UInt8.self, "a clamp"), fusedForm: nil
    )
    if try reader.readBool("whether a fused form is given") {
      fusedForm = FusedForm(
        a: try reader.readFloat("a fused form"), b: try reader.readFloat("a fused form"),
        c: try reader.readFloat("a fused form"))
    }
  }
}

extension Pool {
  func write(to writer: inout ByteWriter) {
    writer.write(kind.rawValue)
    geometry.write(to: &writer)
    writer.write(roundsSigned)
    writer.write(clampMin)
    writer.write(clampMax)
  }

  init(from reader: inout ByteReader) throws(ModelFileError) {
    self.init(
      kind: try reader.readCase(Kind.self, "a pool's kind"), geometry: try WindowGeometry(from: &reader),
      roundsSigned: try reader.readBool("a pool's rounding"), clampMin: try reader.read(UInt8.self, "a clamp"),
      clampMax: try reader.read(UInt8.self, "a clamp"))
  }
}

extension Mean {
  func write(to writer: inout ByteWriter) {
    writer.write(keptExtents)
    writer.write(keptStrides)
    writer.write(reducedExtents)
    writer.write(reducedStrides)
    writer.write(inputZeroPoint)
    writer.write(outputZeroPoint)
    writer.write(factor)
  }

  init(from reader: inout ByteReader) throws(ModelFileError) {
    self.init(
      keptExtents: try reader.readAxes("a mean's axes"), keptStrides: try reader.readAxes("a mean's strides"),
      reducedExtents: try reader.readAxes("a mean's axes"), reducedStrides: try reader.readAxes("a mean's strides"),
      inputZeroPoint: try reader.read(Int32.self, "a zero point"),
      outputZeroPoint: try reader.read(Int32.self, "a zero point"), factor: try reader.readFactor())
  }
}

extension Resize {
  func write(to writer: inout ByteWriter) {
    writer.write(kind.rawValue)
    for value in [batches, inputHeight, inputWidth, outputHeight, outputWidth, channels] { writer.write(UInt32(value)) }
    writer.write(alignCorners)
    writer.write(halfPixelCenters)
  }

  init(from reader: inout ByteReader) throws(ModelFileError) {
    let kind = try reader.readCase(Kind.self, "a resize's kind")
    var values: [Int] = []
    for _ in 0..<6 { values.append(try reader.readShortCount("a resize's geometry", limit: ModelLimits.geometryMax)) }
    self.init(
      kind: kind, batches: values[0], inputHeight: values[1], inputWidth: values[2], outputHeight: values[3],
      outputWidth: values[4], channels: values[5], alignCorners: try reader.readBool("a resize's corners"),
      halfPixelCenters: try reader.readBool("a resize's centers"))
  }
}

extension Copy {
  func write(to writer: inout ByteWriter) {
    writer.write(fill != nil)
    if let fill { writer.write(fill) }
    writer.write(UInt32(regions.count))
    for region in regions {
      writer.write(UInt32(region.operand))
      writer.write(region.sourceOffset)
      writer.write(region.destinationOffset)
      writer.write(region.extents)
      writer.write(region.sourceStrides)
      writer.write(region.destinationStrides)
      writer.write(region.runByteCount)
    }
  }

  init(from reader: inout ByteReader) throws(ModelFileError) {
    let fill = try reader.readBool("whether a copy fills") ? try reader.read(UInt8.self, "a fill") : nil
    let count = try reader.readShortCount("a copy's region count", limit: ModelLimits.copyRegionCountMax)
    var regions: [Region] = []
    regions.reserveCapacity(count)
    for _ in 0..<count {
      regions.append(
        Region(
          operand: Int(try reader.read(UInt32.self, "a region's operand")),
          sourceOffset: try reader.readElementCount("a region's source"),
          destinationOffset: try reader.readElementCount("a region's destination"),
          extents: try reader.readAxes("a region's extents"), sourceStrides: try reader.readAxes("a region's strides"),
          destinationStrides: try reader.readAxes("a region's strides"),
          runByteCount: try reader.readElementCount("a region's run")))
    }
    self.init(fill: fill, regions: regions)
  }
}
