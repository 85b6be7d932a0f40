/// Bytes of memory that a graph takes with the plan and the steps made of it, found by walking its metadata before anything
/// is allocated: a record of fifteen bytes becomes an operator of some hundred.
///
/// Every record is charged for its stride, its arrays and texts, and what running it keeps a record of.
struct GraphFootprint {
  /// What does not depend on the records.
  private(set) var byteCount = 16 * 1024
  /// Bytes of it that hold numbers of convolutions' channels, of which running keeps a table instead.
  private(set) var channelByteCount = 0
  private var reader: ByteReader

  /// A plan's and a session's entries for one operator: its needs and offsets, its step, its summary.
  private static let operatorByteCount = 640
  /// A plan's entries for one tensor: lifetimes, owner, buffer, offset.
  private static let tensorByteCount = 144
  /// Bytes of memory an operand, and a tile, have in steps and segments besides the graph.
  private static let operandByteCount = 48
  private static let segmentByteCount = 48

  /// Throws where the metadata ends inside a record; what the records say is for `Graph.init(decoding:)`.
  init(of metadata: UnsafeRawBufferPointer) throws(ModelFileError) {
    reader = ByteReader(metadata)
    try addText()
    for _ in 0..<(try reader.readShortCount("the tensor count", limit: ModelLimits.tensorCountMax)) { try addTensor() }
    for _ in 0..<(try reader.readShortCount("the blob count", limit: ModelLimits.blobCountMax)) { try addBlob() }
    for _ in 0..<(try reader.readShortCount("the operator count", limit: ModelLimits.operatorCountMax)) {
      try addOperator()
    }
    try addArray(of: UInt32.self, as: Int.self)
    try addArray(of: UInt32.self, as: Int.self)
  }

  /// An allocation: Swift's header, then the allocator's, whose size classes waste up to a quarter.
  private mutating func addAllocation(_ count: Int) {
    if count > 0 { byteCount += (count + 48) * 5 / 4 }
  }

  /// Bytes that are not UTF-8 become three each; short texts need no allocation.
  private mutating func addText() throws(ModelFileError) {
    let count = Int(try reader.read(UInt16.self, "a text's length"))
    try reader.skip(count, "a text")
    if count > 5 { addAllocation(3 * count) }
  }

  @discardableResult
  private mutating func addArray<Stored, Kept>(of stored: Stored.Type, as kept: Kept.Type) throws(ModelFileError) -> Int
  {
    let count = Int(try reader.read(UInt32.self, "an array's count"))
    try reader.skip(count * MemoryLayout<Stored>.size, "an array")
    addAllocation(count * MemoryLayout<Kept>.stride)
    return count
  }

  private mutating func addAxes() throws(ModelFileError) { try addArray(of: Int64.self, as: Int.self) }

  private mutating func skip(_ count: Int) throws(ModelFileError) { try reader.skip(count, "a record") }

  /// Skips `count` bytes where a byte says that they are there.
  private mutating func skipOptional(_ count: Int) throws(ModelFileError) {
    if try reader.readBool("whether a field is there") { try skip(count) }
  }

  private mutating func addTensor() throws(ModelFileError) {
    byteCount += MemoryLayout<TensorInfo>.stride + GraphFootprint.tensorByteCount
    try addText()
    try skip(1)
    try addArray(of: UInt32.self, as: Int.self)
    try skipOptional(8)
    try skipOptional(4)
  }

  private mutating func addBlob() throws(ModelFileError) {
    byteCount += MemoryLayout<Blob>.stride + 16
    try skip(8)
    let count = try reader.readShortCount("a blob's tile count", limit: ModelLimits.tileCountMax)
    try skip(25 * count)
    addAllocation(count * MemoryLayout<Tile>.stride)
    addAllocation(count * GraphFootprint.segmentByteCount)
  }

  private mutating func addOperator() throws(ModelFileError) {
    byteCount += MemoryLayout<Operator>.stride + GraphFootprint.operatorByteCount
    try addText()
    try addOperation()
    let operands = try addArray(of: UInt32.self, as: Int.self)
    addAllocation(operands * GraphFootprint.operandByteCount)
    try skip(4)
  }

  private mutating func addOperation() throws(ModelFileError) {
    let windowByteCount = 15 * 4
    switch try reader.readCase(Operation.Code.self, "an operation's code") {
    case .convolution, .depthwiseConvolution:
      try skip(windowByteCount + 4)
      let before = byteCount
      for _ in 0..<3 { try addArray(of: Int32.self, as: Int32.self) }
      try addArray(of: Int8.self, as: Int8.self)
      channelByteCount += byteCount - before
      try skip(1 + 4 + 4)
    case .arithmetic:
      try skip(1)
      for _ in 0..<3 { try addAxes() }
      try skip(3 * 4 + 3 * 8 + 2)
      try skipOptional(12)
    case .pool: try skip(1 + windowByteCount + 3)
    case .mean:
      for _ in 0..<4 { try addAxes() }
      try skip(2 * 4 + 8)
    case .softmax:
      try skip(16)
      try addArray(of: Int32.self, as: Int32.self)
    case .lookup: try addArray(of: UInt8.self, as: UInt8.self)
    case .quantize, .dequantize: try skip(8)
    case .resize: try skip(1 + 6 * 4 + 2)
    case .argExtreme: try skip(3 * 8 + 1)
    case .copy:
      try skipOptional(1)
      for _ in 0..<(try reader.readShortCount("a copy's region count", limit: ModelLimits.copyRegionCountMax)) {
        // What tells whether the regions cover the output needs a range each.
        byteCount += MemoryLayout<Copy.Region>.stride + MemoryLayout<Range<Int>>.stride
        try skip(4 + 2 * 8)
        for _ in 0..<3 { try addAxes() }
        try skip(8)
      }
    case .reshape: break
    }
  }
}
