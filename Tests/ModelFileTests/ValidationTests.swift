import Importing
import ModelFile
import Tensors
import TestSupport
import Testing

/// Each rule of the graph's checks, broken alone in a graph that is otherwise valid.
@Suite struct ValidationTests {
  private func message(_ graph: Graph) -> String? {
    do { try graph.validate() } catch { return error.message }
    return nil
  }

  private func graph(_ file: String, _ name: String) throws -> Graph {
    let item = try #require(try OperatorCases.read(file).first { $0.name.hasSuffix(name) })
    let graph = try importModel(item.model).graph
    #expect(message(graph) == nil)
    return graph
  }

  /// What the checks say once `change` has broken the case's first operator.
  private func broken(
    _ file: String, _ name: String, _ expected: String, _ change: (inout Operation) -> Void,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    var graph = try graph(file, name)
    change(&graph.operators[0].operation)
    let text = "invalid model: operator 0 (\(graph.operators[0].name)): \(expected)"
    #expect(message(graph) == text, sourceLocation: location)
  }

  private func convolution(
    _ expected: String, depthwise: Bool = false, _ location: SourceLocation = #_sourceLocation,
    _ change: (inout Convolution) -> Void
  ) throws {
    let (file, name) = depthwise ? ("DEPTHWISE_CONV_2D.cases", "u8_multiplier2") : ("CONV_2D.cases", "i8_3x3_same")
    try broken(
      file, name, expected,
      { operation in
        switch operation {
        case .convolution(var convolution):
          change(&convolution)
          operation = .convolution(convolution)
        case .depthwiseConvolution(var convolution):
          change(&convolution)
          operation = .depthwiseConvolution(convolution)
        default: Issue.record("not a convolution", sourceLocation: location)
        }
      }, location)
  }

  @Test func convolutions() throws {
    try convolution("the geometry is out of range") { $0.geometry.strideWidth = 0 }
    try convolution("the geometry is out of range") { $0.geometry.outputHeight = 1 << 21 }
    try convolution("the padding is out of range") { $0.geometry.paddingTop = 1 << 21 }
    try convolution("the window is too large") {
      ($0.geometry.kernelHeight, $0.geometry.kernelWidth) = (1 << 8, 1 << 7)
    }
    try convolution("the windows reach too far") {
      ($0.geometry.strideWidth, $0.geometry.kernelHeight) = (1 << 20, 1 << 12)
    }
    try convolution("the geometry does not fit the tensors") { $0.geometry.batches += 1 }
    try convolution("the geometry does not fit the tensors") {
      ($0.geometry.inputHeight, $0.geometry.inputWidth, $0.geometry.inputChannels) = (1 << 20, 1 << 20, 1 << 20)
    }
    try convolution("not one set of channel parameters a channel") { $0.channels.bias.append(0) }
    try convolution("not one set of channel parameters a channel") { $0.channels.shift.removeLast() }
    try convolution("a shift is out of range") { $0.channels.shift[0] = 32 }
    try convolution("a multiplier is negative") { $0.channels.multiplier[0] = -1 }
    try convolution("the weights' zero point is out of range") { $0.weightZeroPoint = 128 }
    try convolution("the clamp is empty") { ($0.clampMin, $0.clampMax) = (9, 8) }
    try convolution("the weights do not exist") { $0.weights = 7 }
    try convolution("the weights do not exist") { $0.weights = -1 }
    try convolution("the weights have another size") { $0.geometry.kernelHeight += 1 }
    try convolution("the weights have another size", depthwise: true) { $0.geometry.kernelHeight += 2 }
  }

  private func arithmetic(
    _ expected: String, _ location: SourceLocation = #_sourceLocation, _ change: (inout Arithmetic) -> Void
  ) throws {
    var graph = try graph("ADD.cases", try OperatorCases.read("ADD.cases")[0].name)
    guard case .arithmetic(var arithmetic) = graph.operators[0].operation else { return }
    change(&arithmetic)
    graph.operators[0].operation = .arithmetic(arithmetic)
    #expect(message(graph) == "invalid model: operator 0 (ADD): \(expected)", sourceLocation: location)
  }

  @Test func arithmetics() throws {
    try arithmetic("the extents do not fit the output") { $0.extents[0] += 1 }
    try arithmetic("the extents do not fit the output") { $0.extents = [-1] }
    try arithmetic("the extents do not fit the output") { $0.extents = [Int.max, Int.max] }
    try arithmetic("strides and extents differ in number") { $0.firstStrides.append(0) }
    try arithmetic("it reaches outside a tensor") { $0.secondStrides[0] = 2 }
    try arithmetic("it reaches outside a tensor") { $0.secondStrides[0] = -1 }
    try arithmetic("a stride is out of range") { $0.firstStrides[0] = Int.min }
    try arithmetic("a stride is out of range") { $0.firstStrides[0] = Int.max }
    try arithmetic("a zero point is not a byte") { $0.firstZeroPoint = 256 }
    try arithmetic("a shift is out of range") { $0.outputFactor.shift = -32 }
    try arithmetic("the clamp is empty") { ($0.clampMin, $0.clampMax) = (1, 0) }
  }

  private func mean(
    _ expected: String, _ location: SourceLocation = #_sourceLocation, _ change: (inout Mean) -> Void
  ) throws {
    try broken(
      "MEAN.cases", "u8_hw", expected,
      { operation in
        guard case .mean(var mean) = operation else { return }
        change(&mean)
        operation = .mean(mean)
      }, location)
  }

  @Test func means() throws {
    // A stride too many for the kept axes and one too few for the others: their sum fits.
    try mean("strides and extents differ in number") {
      $0.keptStrides.append($0.reducedStrides.removeFirst())
    }
    try mean("it reaches outside a tensor") { $0.reducedStrides[0] *= 2 }
    try mean("too many axes") { $0.reducedExtents += Array(repeating: 1, count: 8) }
    try mean("the kept axes do not fit the output") {
      $0.keptExtents[0] = 1
    }
    try mean("the axes do not fit the operand") { ($0.reducedExtents[0], $0.reducedStrides[0]) = (1 << 31, 0) }
    try mean("a zero point is not a byte") { $0.inputZeroPoint = -1 }
    try mean("a shift is out of range") { $0.factor.shift = 99 }
  }

  private func copy(
    _ expected: String, _ location: SourceLocation = #_sourceLocation, _ change: (inout Copy) -> Void
  ) throws {
    try broken(
      "PAD.cases", "u8_hw", expected,
      { operation in
        guard case .copy(var copy) = operation else { return }
        change(&copy)
        operation = .copy(copy)
      }, location)
  }

  @Test func copies() throws {
    try copy("a region's operand does not exist") { $0.regions[0].operand = 1 }
    try copy("it reaches outside a tensor") { $0.regions[0].sourceOffset += 1 }
    try copy("it reaches outside a tensor") { $0.regions[0].destinationOffset += 1 << 30 }
    try copy("it reaches outside a tensor") { $0.regions[0].runByteCount = 0 }
    try copy("it reaches outside a tensor") {
      ($0.regions[0].extents[0], $0.regions[0].destinationStrides[0]) = (2, -1000)
    }
    try copy("an extent is out of range") { $0.regions[0].extents[0] = 0 }
    try copy("the regions overlap") { $0.regions += [$0.regions[0], $0.regions[0]] }
    // Without the bound these would be 2²⁴⁸ copies of one byte.
    try copy("the regions overlap") {
      $0.regions[0].extents = Array(repeating: 1 << 31, count: 8)
      ($0.regions[0].sourceStrides, $0.regions[0].destinationStrides) = (
        Array(repeating: 0, count: 8), Array(repeating: 0, count: 8)
      )
      $0.regions[0].runByteCount = 1
    }
  }

  @Test func otherOperations() throws {
    try broken("SOFTMAX.cases", "", "the table does not have 256 entries") { operation in
      guard case .softmax(var softmax) = operation else { return }
      softmax.exponentials.removeLast()
      operation = .softmax(softmax)
    }
    try broken("SOFTMAX.cases", "", "the table's first entry is too small") { operation in
      guard case .softmax(var softmax) = operation else { return }
      softmax.exponentials[0] = 1
      operation = .softmax(softmax)
    }
    try broken("SOFTMAX.cases", "", "sizes differ") { operation in
      guard case .softmax(var softmax) = operation else { return }
      softmax.rows += 1
      operation = .softmax(softmax)
    }
    try broken("RELU.cases", "", "the table does not have 256 entries") { $0 = .lookup([1, 2, 3]) }
    try broken("RELU.cases", "", "the operand is not float") { $0 = .quantize(scale: 1, zeroPoint: 0) }
    try broken("RELU.cases", "", "the output is not float") { $0 = .dequantize(scale: 1, zeroPoint: 0) }
  }

  @Test func pools() throws {
    func pool(_ expected: String, _ change: @escaping (inout Pool) -> Void) throws {
      try broken(
        "MAX_POOL_2D.cases", "u8_3x3_same", expected,
        { operation in
          guard case .pool(var pool) = operation else { return }
          change(&pool)
          operation = .pool(pool)
        })
    }
    try pool("a window lies outside the picture") { $0.geometry.paddingTop = 3 }
    try pool("a window lies outside the picture") { $0.geometry.strideWidth = 1000 }
    try pool("a window lies outside the picture") { $0.geometry.dilationWidth = 2 }
    try pool("the clamp is empty") { ($0.clampMin, $0.clampMax) = (255, 0) }
  }

  @Test func graphs() throws {
    let good = try graph("CONV_2D.cases", "i8_3x3_same")
    func check(_ expected: String, _ location: SourceLocation = #_sourceLocation, _ change: (inout Graph) -> Void) {
      var graph = good
      change(&graph)
      #expect(message(graph) == expected, sourceLocation: location)
    }
    check("invalid model: the model has no inputs or no outputs") { $0.outputs = [] }
    check("invalid model: input tensor 9 does not exist, is constant or is named twice") { $0.inputs = [9] }
    check("invalid model: input tensor 0 does not exist, is constant or is named twice") { $0.inputs = [0, 0] }
    check("invalid model: operator 0 (CONV_2D) reads tensor 9, which does not exist") { $0.operators[0].inputs = [9] }
    let output = good.operators[0].output
    check("invalid model: operator 0 (CONV_2D) reads tensor \(output) before anything writes it") {
      $0.operators[0].inputs = [output]
    }
    check("invalid model: operator 0 (CONV_2D) writes tensor 0, which does not exist or is already written") {
      $0.operators[0].output = 0
    }
    check("invalid model: output tensor 9 does not exist, is constant or is never written") { $0.outputs = [9] }
    check("invalid model: operator 0 (CONV_2D): wrong number of operands") { $0.operators[0].inputs = [] }
    check("invalid model: tensor 0 (t0) has an empty or impossible shape [0]") { $0.tensors[0].shape = Shape([0]) }
    check("invalid model: tensor 0 (t0) has an empty or impossible shape [4294967295,4294967295,4294967295]") {
      $0.tensors[0].shape = Shape([4_294_967_295, 4_294_967_295, 4_294_967_295])
    }
    check("tensor 0 (t0) is too large: 4294967296, this build accepts 2147483648") {
      $0.tensors[0].shape = Shape([1 << 32])
    }
    check("invalid model: tensor 0 (t0) has a scale that is not positive") {
      $0.tensors[0].quantization = Quantization(scale: 0, zeroPoint: 0)
    }
    check("invalid model: tensor 0 (t0) is constant, but its blob does not exist or has another size") {
      $0.tensors[0].constant = 5
    }
    check("blob 0 is too large: 0, this build accepts 4294967296") { $0.blobs[0].byteCount = 0 }
  }

  /// Tiles are checked against the file.
  @Test func tiles() throws {
    let model = try importModel(try SharedFiles.bytes(SharedFiles.digits))
    let size = try model.fileBytes(.none).count
    let good = try model.opened(.none).graph
    func check(_ expected: String, _ location: SourceLocation = #_sourceLocation, _ change: (inout Blob) -> Void) {
      var graph = good
      change(&graph.blobs[0])
      do throws(ModelFileError) {
        try graph.validate(fileByteCount: size)
        Issue.record("accepted", sourceLocation: location)
      } catch {
        #expect(error.message == "invalid model: " + expected, sourceLocation: location)
      }
    }
    let bytes = good.blobs[0].byteCount
    check("blob 0 has an empty tile") { $0.tiles[0].storedByteCount = 0 }
    check("blob 0 has a tile outside the file or out of line") { $0.tiles[0].fileOffset += 1 }
    check("blob 0 has a tile outside the file or out of line") { $0.tiles[0].fileOffset = 0 }
    check("blob 0 has a tile outside the file or out of line") { $0.tiles[0].fileOffset = Int.max / 64 * 64 }
    check("blob 0 has a raw tile with two sizes") { $0.tiles[0].decodedByteCount += 64 }
    check("blob 0 has a raw tile too near the file's end") {
      $0.tiles[0].fileOffset = (size - $0.tiles[0].storedByteCount) / 64 * 64
    }
    check("blob 0 has \(bytes) bytes, but its tiles have \(bytes * 2)") { $0.tiles += $0.tiles }
    check("blob 0 has \(bytes) bytes, but its tiles have 0") { $0.tiles = [] }
    // Many tiles over the same bytes: a small file that takes for ever to check.
    check(
      "the tiles have \(good.blobs[0].tiles[0].storedByteCount * 5000 + good.blobs[1...].reduce(0) { $0 + $1.byteCount }) bytes, the file only \(size)"
    ) {
      $0.tiles = Array(repeating: $0.tiles[0], count: 5000)
      $0.byteCount *= 5000
    }
  }

  /// A copy covers its output only where its regions leave no byte out.
  @Test func coverage() {
    func region(_ offset: Int, _ extents: [Int], _ strides: [Int], _ run: Int) -> Copy.Region {
      Copy.Region(
        operand: 0, sourceOffset: 0, destinationOffset: offset, extents: extents,
        sourceStrides: extents.map { _ in 0 }, destinationStrides: strides, runByteCount: run)
    }
    func covers(_ regions: [Copy.Region], _ fill: UInt8? = nil) -> Bool {
      Copy(fill: fill, regions: regions).covers(24)
    }
    #expect(covers([region(0, [], [], 24)]))
    #expect(covers([region(0, [2, 3], [4, 8], 4)]))
    #expect(covers([region(0, [6], [4], 1), region(1, [6], [4], 3)]))
    #expect(covers([region(12, [], [], 12), region(0, [1, 3], [0, 4], 4)]))
    #expect(covers([], 0))
    #expect(!covers([]))
    #expect(!covers([region(0, [], [], 23)]))
    #expect(!covers([region(1, [], [], 23)]))
    #expect(!covers([region(0, [24], [0], 1)]))
    #expect(!covers([region(0, [6], [4], 3)]))
    #expect(!covers([region(0, [6], [4], 1), region(0, [6], [4], 3)]))
    #expect(!covers([region(0, [], [], 12), region(0, [], [], 12)]))
  }
}
