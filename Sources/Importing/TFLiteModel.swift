import Tensors

/// What the importer reads of a TFLite file (schema version 3): the first subgraph's tensors and operators.
struct TFLiteModel {
  var fileBytes: Int
  var tensors: [TFLiteTensor] = []
  var operators: [TFLiteOperator] = []
  var inputs: [Int] = []
  var outputs: [Int] = []

  init(_ bytes: UnsafeRawBufferPointer) throws(ImportError) {
    let reader = FlatBufferReader(bytes: bytes)
    fileBytes = bytes.count
    guard bytes.count >= 8, try reader.integer(UInt32.self, at: 4) == 0x334C_4654 else {
      throw .notTFLite(fileBytes: bytes.count)
    }
    let model = try reader.table(at: try reader.target(of: 0))
    let version = try model.integer(0, UInt32.self)
    guard version == 3 else { throw .unsupportedVersion(version) }
    let codes = try model.tables(1, "operator code", limit: ImportLimits.operatorCountMax)
    let buffers = try model.tables(4, "buffer", limit: ImportLimits.bufferCountMax)
    let subgraph = try TFLiteModel.subgraph(of: model)
    let tables = try subgraph.tables(0, "tensor", limit: ImportLimits.tensorCountMax)
    tensors.reserveCapacity(tables.count)
    for index in tables.indices {
      tensors.append(try TFLiteTensor(try tables.table(index), buffers: buffers, bytes: bytes))
    }
    inputs = try subgraph.integers(1) ?? []
    outputs = try subgraph.integers(2) ?? []
    // Each operand takes 4 bytes of an honest file; a hostile one could let many operators share one long list.
    var operandCount = 0
    let steps = try subgraph.tables(3, "operator", limit: ImportLimits.operatorCountMax)
    operators.reserveCapacity(steps.count)
    for index in steps.indices {
      let table = try steps.table(index)
      operandCount += try table.vector(1, elementBytes: 4)?.count ?? 0
      operandCount += try table.vector(2, elementBytes: 4)?.count ?? 0
      try reader.check(0, operandCount)
      operators.append(try TFLiteOperator(table, index: index, codes: codes))
    }
    for list in [inputs, outputs] {
      for tensor in list where !tensors.indices.contains(tensor) {
        throw .noSuchEntry("tensor", index: tensor, count: tensors.count)
      }
    }
  }

  fileprivate static func subgraph(of model: FlatTable) throws(ImportError) -> FlatTable {
    let subgraphs = try model.tables(2, "graph", limit: ImportLimits.operatorCountMax)
    guard subgraphs.count > 0 else { throw .noSubgraph }
    return try subgraphs.table(0)
  }

  /// Bytes of memory that the file's records and what they become take, without constants: counted, nothing is made yet.
  static func recordByteCount(_ bytes: UnsafeRawBufferPointer) throws(ImportError) -> Int {
    let reader = FlatBufferReader(bytes: bytes)
    let graph = try subgraph(of: try reader.table(at: try reader.target(of: 0)))
    var byteCount = 32 * 1024
    let tensors = try graph.tables(0, "tensor", limit: ImportLimits.tensorCountMax)
    for index in tensors.indices {
      let table = try tensors.table(index)
      // Bytes that are not UTF-8 become three each; shapes are kept twice here and once in the graph.
      let name = min(try table.vector(3, elementBytes: 1)?.count ?? 0, ImportLimits.nameBytesMax)
      byteCount += MemoryLayout<TFLiteTensor>.stride + ImportLimits.tensorRecordBytes + 3 * name
    }
    let operators = try graph.tables(3, "operator", limit: ImportLimits.operatorCountMax)
    for index in operators.indices {
      let table = try operators.table(index)
      let operands = try table.vector(1, elementBytes: 4)?.count ?? 0
      let outputs = try table.vector(2, elementBytes: 4)?.count ?? 0
      byteCount += ImportLimits.operatorRecordBytes + ImportLimits.operandRecordBytes * operands
      byteCount += ImportLimits.operatorRecordBytes * outputs
      guard byteCount < 1 << 40 else { throw .payloadTooLarge(bytes: byteCount, bytesMax: 1 << 40) }
    }
    return byteCount
  }
}

/// One tensor as the file declares it.
struct TFLiteTensor {
  var name: String
  /// The schema's TensorType.
  var typeCode: Int
  var shape: [Int]
  /// The shape with −1 where a dimension is open.
  var signature: [Int]?
  /// The bytes of a constant; nil for activations.
  var data: UnsafeRawBufferPointer?
  var scales: FlatVector?
  var zeroPoints: FlatVector?
  var quantizedDimension = 0
  var isVariable: Bool
  var isSparse: Bool

  init(_ table: FlatTable, buffers: FlatTables, bytes: UnsafeRawBufferPointer) throws(ImportError) {
    name = try table.string(3)
    for field in [0, 7] {
      if let count = try table.vector(field, elementBytes: 4)?.count, count > Shape.rankMax {
        throw .tooManyDimensions(tensor: name, count: count)
      }
    }
    shape = try table.integers(0) ?? []
    typeCode = try table.integer(1, Int8.self)
    isVariable = try table.bool(5)
    isSparse = try table.table(6) != nil
    signature = try table.integers(7)
    let buffer = try table.integer(2, UInt32.self)
    if buffer != 0 || buffers.count > 0 {
      guard buffers.indices.contains(buffer) else {
        throw .noSuchEntry("buffer", index: buffer, count: buffers.count)
      }
      data = try TFLiteTensor.data(of: try buffers.table(buffer))
    }
    guard let quantization = try table.table(4) else { return }
    quantizedDimension = try quantization.integer(6, Int32.self)
    scales = try quantization.vector(2, elementBytes: 4)
    zeroPoints = try quantization.vector(3, elementBytes: 8)
  }

  /// A buffer's bytes: inside the FlatBuffer, or after it for models over 2 GB.
  private static func data(of buffer: FlatTable) throws(ImportError) -> UnsafeRawBufferPointer? {
    if let vector = try buffer.vector(0, elementBytes: 1), vector.count > 0 { return vector.bytes }
    let offset = try buffer.integer(1, UInt64.self)
    let size = try buffer.integer(2, UInt64.self)
    guard offset > 1, size > 0 else { return nil }
    try buffer.reader.check(offset, size)
    return UnsafeRawBufferPointer(rebasing: buffer.reader.bytes[offset..<offset + size])
  }

  /// The element type, where it is one that tensors here have.
  var elementType: ElementType? {
    switch typeCode {
    case 0: .float32
    case 2: .int32
    case 3: .uint8
    case 4: .int64
    case 6: .bool
    case 7: .int16
    case 9: .int8
    default: nil
    }
  }
}

/// One operator as the file declares it.
struct TFLiteOperator {
  var index: Int
  /// nil for operators that are not supported.
  var kind: OperatorKind?
  /// The schema's name, or the custom code.
  var name: String
  /// Tensor indices; −1 where an optional operand is absent.
  var inputs: [Int]
  var outputs: [Int]
  var options: FlatTable?

  init(_ table: FlatTable, index: Int, codes: FlatTables) throws(ImportError) {
    self.index = index
    let codeIndex = try table.integer(0, UInt32.self)
    guard codes.indices.contains(codeIndex) else {
      throw .noSuchEntry("operator code", index: codeIndex, count: codes.count)
    }
    let code = try codes.table(codeIndex)
    // Codes up to 127 may stand in the older, 8-bit field alone.
    let number = max(try code.integer(0, Int8.self), try code.integer(3, Int32.self))
    kind = OperatorKind(rawValue: number)
    name = OperatorKind.name(of: number)
    if number == OperatorKind.customCode { name = "CUSTOM " + (try code.string(1)) }
    inputs = try table.integers(1) ?? []
    outputs = try table.integers(2) ?? []
    options = try table.table(4)
  }
}
