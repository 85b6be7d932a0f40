import Importing
import ModelFile
import Tensors

/// Grows a random network whose operators can all run by rows: convolutions of every geometry, pools, sums, tables.
public struct RandomChain {
  public private(set) var random: XorShift
  private var graph = Graph(name: "chain", tensors: [], operators: [], inputs: [0], outputs: [], blobs: [])
  private var payloads: [[UInt8]] = []
  /// The last tensor's sizes.
  private var (height, width, channels) = (1, 1, 1)

  /// A network of so many operators; the last one may be an index, a softmax or a float tensor.
  public static func model(seed: UInt64, operatorCount: Int) -> ImportedModel {
    var chain = RandomChain(random: XorShift(seed))
    chain.begin()
    for _ in 1..<operatorCount { chain.addOperator() }
    chain.addLast()
    chain.graph.outputs = [chain.graph.tensors.count - 1]
    return ImportedModel(graph: chain.graph, payloads: chain.payloads)
  }

  private init(random: XorShift) { self.random = random }

  private mutating func number(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + random.below(range.count)
  }

  private mutating func byte() -> UInt8 { UInt8(random.below(256)) }

  private mutating func begin() {
    let shapes = [1...3, 4...12, 13...30]
    height = number(shapes[random.below(3)])
    width = number(shapes[random.below(2)])
    channels = number(1...20)
    addTensor(.uint8)
  }

  private mutating func addTensor(_ type: ElementType, constant: Int? = nil) {
    graph.tensors.append(
      TensorInfo(
        name: "t\(graph.tensors.count)", elementType: type, shape: Shape([1, height, width, channels]),
        constant: constant))
  }

  private mutating func add(_ name: String, _ operation: Operation, inputs: [Int], _ type: ElementType = .uint8) {
    addTensor(type)
    graph.operators.append(
      Operator(name: name, operation: operation, inputs: inputs, output: graph.tensors.count - 1))
  }

  private var last: Int { graph.operators.last?.output ?? 0 }

  private mutating func addOperator() {
    let input = last
    switch random.below(10) {
    case 0...2: addConvolution(isDepthwise: false, input)
    case 3...5: addConvolution(isDepthwise: true, input)
    case 6: addPool(input)
    case 7:
      let table = random.bytes(256)
      add("LOOKUP", .lookup(table), inputs: [input])
    case 8: addSum(input)
    default: graph.operators.isEmpty ? addResize(input) : addBias(input)
    }
  }

  private mutating func addLast() {
    let input = last
    switch random.below(4) {
    case 0:
      let depth = channels
      channels = 1
      add(
        "ARG_MAX", .argExtreme(ArgExtreme(outer: height * width, extent: depth, inner: 1, takesMinimum: false)),
        inputs: [input], .int64)
    case 1:
      let exponentials = (0..<256).map { Int32((1 << 31) - 1) >> Int32(min(30, $0 / 8)) }
      add(
        "SOFTMAX", .softmax(Softmax(rows: height * width, depth: channels, exponentials: exponentials)),
        inputs: [input])
    case 2: add("DEQUANTIZE", .dequantize(scale: 0.5, zeroPoint: 3), inputs: [input], .float32)
    default: addOperator()
    }
  }

  /// One axis of a window over `size` elements: kernel, stride, dilation, padding before, and how many windows there are.
  private mutating func axis(
    _ size: Int, maximum: Int, dilates: Bool, touches: Bool
  ) -> (kernel: Int, stride: Int, dilation: Int, padding: Int, count: Int) {
    let kernel = number(1...maximum)
    let stride = [1, 1, 2, 3][random.below(4)]
    let dilation = dilates && random.below(4) == 0 ? 2 : 1
    let reach = (kernel - 1) * dilation + 1
    let padding = number(0...reach - 1)
    var count = max(1, (size + padding + number(0...reach - 1) - reach) / stride + 1)
    // Padding, or else the stride, may leave the last windows nothing.
    while touches && count > 1 && (count - 1) * stride - padding >= size { count -= 1 }
    return (kernel, stride, dilation, padding, count)
  }

  private mutating func window(maximum: Int, dilates: Bool, touches: Bool = false) -> WindowGeometry {
    var geometry = WindowGeometry()
    (geometry.inputHeight, geometry.inputWidth, geometry.inputChannels) = (height, width, channels)
    let isPointwise = random.below(3) == 0
    let most = isPointwise ? 1 : maximum
    let rows = axis(height, maximum: most, dilates: dilates, touches: touches)
    let columns = axis(width, maximum: most, dilates: dilates, touches: touches)
    (geometry.kernelHeight, geometry.kernelWidth) = (rows.kernel, columns.kernel)
    if !isPointwise {
      (geometry.strideHeight, geometry.strideWidth) = (rows.stride, columns.stride)
      (geometry.dilationHeight, geometry.dilationWidth) = (rows.dilation, columns.dilation)
      (geometry.paddingTop, geometry.paddingLeft) = (rows.padding, columns.padding)
      (height, width) = (rows.count, columns.count)
    }
    (geometry.outputHeight, geometry.outputWidth, geometry.outputChannels) = (height, width, channels)
    return geometry
  }

  private mutating func addConvolution(isDepthwise: Bool, _ input: Int) {
    var geometry = window(maximum: 4, dilates: true)
    if !isDepthwise { channels = number(1...40) }
    geometry.outputChannels = channels
    var convolution = Convolution(
      geometry: geometry, weights: graph.blobs.count,
      channels: ChannelParameters(bias: [], weightSum: [], multiplier: [], shift: []), inputZeroPoint: byte(),
      weightZeroPoint: random.below(3) == 0 ? Int32(number(-9...9)) : 0, outputZeroPoint: byte(), clampMin: 0,
      clampMax: 255)
    let panelByteCount = isDepthwise ? convolution.depthwisePanelByteCount : convolution.panelByteCount
    let taps = geometry.kernelHeight * geometry.kernelWidth
    let (runBytes, groups) =
      isDepthwise ? (taps, (taps + 3) / 4) : (convolution.packedRuns.runBytes, convolution.packedRuns.groupsPerRun)
    var weights = [UInt8](repeating: 0, count: panelByteCount * convolution.panelCount)
    var sums = [Int32](repeating: 0, count: channels)
    for index in weights.indices {
      let (panel, rest) = index.quotientAndRemainder(dividingBy: panelByteCount)
      let channel = panel * 16 + rest % 64 / 4
      // Padding is zero: what kernels read past a run does not count.
      guard channel < channels, (rest / 64 % groups) * 4 + rest % 4 < runBytes else { continue }
      weights[index] = byte()
      sums[channel] += Int32(Int8(bitPattern: weights[index]))
    }
    convolution.channels = ChannelParameters(
      bias: sums.map { _ in Int32(number(-20_000...20_000)) }, weightSum: sums,
      multiplier: sums.map { _ in Int32(number(1 << 30...(1 << 31) - 1)) },
      shift: sums.map { _ in Int8(number(4...11)) })
    graph.blobs.append(Blob(byteCount: weights.count, tiles: []))
    payloads.append(weights)
    add(
      isDepthwise ? "DEPTHWISE_CONV_2D" : "CONV_2D",
      isDepthwise ? .depthwiseConvolution(convolution) : .convolution(convolution), inputs: [input])
  }

  private mutating func addPool(_ input: Int) {
    let geometry = window(maximum: 3, dilates: false, touches: true)
    add(
      "POOL",
      .pool(
        Pool(
          kind: random.below(2) == 0 ? .average : .maximum, geometry: geometry, roundsSigned: random.below(2) == 0,
          clampMin: 0, clampMax: 255)), inputs: [input])
  }

  private mutating func addResize(_ input: Int) {
    let (inputHeight, inputWidth) = (height, width)
    (height, width) = (number(1...40), number(1...20))
    let kinds: [Resize.Kind] = [.nearest, .bilinearFloat, .bilinearInteger]
    let resize = Resize(
      kind: kinds[random.below(3)], batches: 1, inputHeight: inputHeight, inputWidth: inputWidth, outputHeight: height,
      outputWidth: width, channels: channels, alignCorners: false, halfPixelCenters: random.below(2) == 0)
    add("RESIZE", .resize(resize), inputs: [input])
  }

  private func sum(_ extents: [Int], _ second: [Int]) -> Operation {
    .arithmetic(
      Arithmetic(
        kind: .add, extents: extents, firstStrides: extents.count == 1 ? [1] : [extents[1], 1], secondStrides: second,
        firstZeroPoint: 7, secondZeroPoint: 200, outputZeroPoint: 90,
        firstFactor: FixedPointFactor(multiplier: 1 << 30, shift: 0),
        secondFactor: FixedPointFactor(multiplier: 1_400_000_000, shift: 0),
        outputFactor: FixedPointFactor(multiplier: 1 << 30, shift: 19), clampMin: 3, clampMax: 250, fusedForm: nil))
  }

  /// The sum with any earlier tensor of the same shape, itself at worst.
  private mutating func addSum(_ input: Int) {
    let same = graph.tensors.indices.filter {
      graph.tensors[$0].constant == nil && graph.tensors[$0].shape == graph.tensors[input].shape
    }
    let other = same[random.below(same.count)]
    let isOneLine = random.below(2) == 0
    let operation =
      isOneLine ? sum([height * width * channels], [1]) : sum([height * width, channels], [channels, 1])
    add("ADD", operation, inputs: random.below(2) == 0 ? [input, other] : [other, input])
  }

  /// The sum with a constant for each channel.
  private mutating func addBias(_ input: Int) {
    let sizes = (height, width)
    (height, width) = (1, 1)
    addTensor(.uint8, constant: graph.blobs.count)
    (height, width) = sizes
    graph.blobs.append(Blob(byteCount: channels, tiles: []))
    payloads.append(random.bytes(channels))
    add("ADD", sum([height * width, channels], [0, 1]), inputs: [input, graph.tensors.count - 1])
  }
}
