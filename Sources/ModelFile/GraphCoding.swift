import Tensors

// The graph as the container's metadata. Writer and reader of each record stand side by side, so that they stay alike;
// FORMAT.md gives the same layout in words.

extension Graph {
  func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.write(name)
    writer.write(UInt32(tensors.count))
    for tensor in tensors { tensor.write(to: &writer) }
    writer.write(UInt32(blobs.count))
    for blob in blobs { blob.write(to: &writer) }
    writer.write(UInt32(operators.count))
    for step in operators { step.write(to: &writer) }
    writer.write(inputs.map { UInt32($0) })
    writer.write(outputs.map { UInt32($0) })
    return writer.bytes
  }

  /// Reads a graph whose footprint is known, so that its counts may be believed; `GraphValidation` says afterwards whether it
  /// makes sense.
  init(decoding bytes: UnsafeRawBufferPointer) throws(ModelFileError) {
    var reader = ByteReader(bytes)
    let name = try reader.readText("the model's name")
    let tensorCount = try reader.readShortCount("the tensor count", limit: ModelLimits.tensorCountMax)
    var tensors: [TensorInfo] = []
    tensors.reserveCapacity(tensorCount)
    for _ in 0..<tensorCount {
      tensors.append(try TensorInfo(from: &reader))
    }
    let blobCount = try reader.readShortCount("the blob count", limit: ModelLimits.blobCountMax)
    var blobs: [Blob] = []
    blobs.reserveCapacity(blobCount)
    for _ in 0..<blobCount {
      blobs.append(try Blob(from: &reader))
    }
    let operatorCount = try reader.readShortCount("the operator count", limit: ModelLimits.operatorCountMax)
    var operators: [Operator] = []
    operators.reserveCapacity(operatorCount)
    for _ in 0..<operatorCount {
      operators.append(try Operator(from: &reader))
    }
    let inputs = try reader.readArray(UInt32.self, "the inputs", limit: ModelLimits.operandCountMax)
    let outputs = try reader.readArray(UInt32.self, "the outputs", limit: ModelLimits.operandCountMax)
    guard reader.remaining == 0 else { throw .invalid("\(reader.remaining) bytes follow the graph") }
    self.init(
      name: name, tensors: tensors, operators: operators, inputs: inputs.map { Int($0) },
      outputs: outputs.map { Int($0) }, blobs: blobs)
  }
}

extension TensorInfo {
  func write(to writer: inout ByteWriter) {
    writer.write(name)
    writer.write(elementType.rawValue)
    writer.write(shape.dimensions.map { UInt32($0) })
    writer.write(quantization != nil)
    if let quantization {
      writer.write(quantization.scale)
      writer.write(quantization.zeroPoint)
    }
    writer.write(constant != nil)
    if let constant { writer.write(UInt32(constant)) }
  }

  init(from reader: inout ByteReader) throws(ModelFileError) {
    let name = try reader.readText("a tensor's name")
    let elementType = try reader.readCase(ElementType.self, "a tensor's element type")
    guard elementType != .bytes else { throw .invalid("a tensor's element type is BYTES, which no operator takes") }
    let dimensions = try reader.readArray(UInt32.self, "a tensor's shape", limit: Shape.rankMax)
    var quantization: Quantization?
    if try reader.readBool("whether a tensor is quantized") {
      quantization = Quantization(
        scale: try reader.readFloat("a tensor's scale"), zeroPoint: try reader.read(Int32.self, "a tensor's zero point")
      )
    }
    var constant: Int?
    if try reader.readBool("whether a tensor is constant") {
      constant = Int(try reader.read(UInt32.self, "a tensor's blob"))
    }
    self.init(
      name: name, elementType: elementType, shape: Shape(dimensions.map { Int($0) }), quantization: quantization,
      constant: constant)
  }
}

extension Blob {
  func write(to writer: inout ByteWriter) {
    writer.write(byteCount)
    writer.write(UInt32(tiles.count))
    for tile in tiles {
      writer.write(tile.encoding.rawValue)
      writer.write(tile.fileOffset)
      writer.write(UInt32(tile.storedByteCount))
      writer.write(UInt32(tile.decodedByteCount))
      writer.write(tile.checksum)
    }
  }

  init(from reader: inout ByteReader) throws(ModelFileError) {
    let byteCount = try reader.readCount("a blob's size", limit: ModelLimits.blobByteCountMax)
    let tileCount = try reader.readShortCount("a blob's tile count", limit: ModelLimits.tileCountMax)
    var tiles: [Tile] = []
    tiles.reserveCapacity(tileCount)
    for _ in 0..<tileCount {
      tiles.append(
        Tile(
          encoding: try reader.readCase(Tile.Encoding.self, "a tile's encoding"),
          fileOffset: try reader.readCount("a tile's offset", limit: Int.max),
          storedByteCount: try reader.readShortCount("a tile's stored size", limit: ModelLimits.tileByteCountMax),
          decodedByteCount: try reader.readShortCount("a tile's size", limit: ModelLimits.tileByteCountMax),
          checksum: try reader.read(UInt64.self, "a tile's checksum")))
    }
    self.init(byteCount: byteCount, tiles: tiles)
  }
}

extension Operator {
  func write(to writer: inout ByteWriter) {
    writer.write(name)
    operation.write(to: &writer)
    writer.write(inputs.map { UInt32($0) })
    writer.write(UInt32(output))
  }

  init(from reader: inout ByteReader) throws(ModelFileError) {
    let name = try reader.readText("an operator's name")
    let operation = try Operation(from: &reader)
    let inputs = try reader.readArray(UInt32.self, "an operator's operands", limit: ModelLimits.operandCountMax)
    let output = try reader.read(UInt32.self, "an operator's output")
    self.init(name: name, operation: operation, inputs: inputs.map { Int($0) }, output: Int(output))
  }
}
