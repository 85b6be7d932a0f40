import CKernels
import Importing
import ModelFile
import Tensors

/// Runs an imported model one operator after the other with the portable kernels: no plan, no arena, no threads.
struct NaiveExecutor {
  let model: ImportedModel
  private var tensors: [[UInt8]]

  init(_ model: ImportedModel) {
    self.model = model
    tensors = model.graph.tensors.map { info in
      info.constant.map { model.payloads[$0] } ?? [UInt8](repeating: 0, count: info.byteCount)
    }
  }

  /// Inputs and outputs in the tensors' own types, as clients see them.
  mutating func run(_ inputs: [[UInt8]]) -> [[UInt8]] {
    for (tensor, bytes) in zip(model.graph.inputs, inputs) { tensors[tensor] = flipped(bytes, tensor) }
    for step in model.graph.operators {
      tensors[step.output] = result(of: step)
    }
    return model.graph.outputs.map { flipped(tensors[$0], $0) }
  }

  /// int8 bytes to or from the unsigned domain.
  private func flipped(_ bytes: [UInt8], _ tensor: Int) -> [UInt8] {
    model.graph.tensors[tensor].elementType == .int8 ? bytes.map { $0 ^ 0x80 } : bytes
  }

  private func result(of step: Operator) -> [UInt8] {
    let slack = [UInt8](repeating: 0xA5, count: Int(THIMBLE_SLACK_BYTES))
    let operands = step.inputs.map { tensors[$0] + slack }
    let info = model.graph.tensors[step.output]
    var out = [UInt8](repeating: 0, count: info.byteCount)
    let input = operands[0]
    switch step.operation {
    case .convolution(let c): out = convolve(c, input, isDepthwise: false)
    case .depthwiseConvolution(let c): out = convolve(c, input, isDepthwise: true)
    case .arithmetic(let a): out = compute(a, input, operands[1])
    case .pool(let p): out = pool(p, input)
    case .mean(let m): out = mean(m, input)
    case .softmax(let s):
      for row in 0..<s.rows {
        at(input, row * s.depth) { source in
          at(&out, row * s.depth) { target in
            s.exponentials.withUnsafeBufferPointer { table in
              var args = thimble_softmax_args(
                input: source, depth: s.depth, exponentials: table.baseAddress!, out: target)
              softmaxPortable(&args)
            }
          }
        }
      }
    case .lookup(let table): lookupPortable(input, table, &out, out.count)
    case .quantize(let scale, let zeroPoint):
      input.withUnsafeBytes {
        quantizePortable($0.baseAddress!.assumingMemoryBound(to: Float.self), scale, zeroPoint, &out, out.count)
      }
    case .dequantize(let scale, let zeroPoint):
      out.withUnsafeMutableBytes {
        dequantizePortable(
          input, scale, zeroPoint, $0.baseAddress!.assumingMemoryBound(to: Float.self), info.shape.elementCount)
      }
    case .resize(let r): out = resize(r, input)
    case .argExtreme(let a):
      let width = info.elementType.byteCount
      for outer in 0..<a.outer {
        at(input, outer * a.extent * a.inner) { source in
          at(&out, outer * a.inner * width) { target in
            var args = thimble_arg_extreme_args(
              input: source, extent: a.extent, inner: a.inner, takes_minimum: a.takesMinimum, index_byte_count: width,
              out: UnsafeMutableRawPointer(target))
            argExtremePortable(&args)
          }
        }
      }
    case .copy(let c): out = copy(c, operands, byteCount: out.count)
    case .reshape: out = tensors[step.inputs[0]]
    }
    return out
  }

  // MARK: Convolutions

  private func convolve(_ c: Convolution, _ input: [UInt8], isDepthwise: Bool) -> [UInt8] {
    let g = c.geometry
    let multiplier = isDepthwise ? g.outputChannels / g.inputChannels : 1
    let channels = g.inputChannels * multiplier
    let reachY = (g.outputHeight - 1) * g.strideHeight + (g.kernelHeight - 1) * g.dilationHeight + 1
    let reachX = (g.outputWidth - 1) * g.strideWidth + (g.kernelWidth - 1) * g.dilationWidth + 1
    var out = [UInt8](repeating: 0, count: g.batches * g.outputHeight * g.outputWidth * g.outputChannels)
    let panels = channels16(c)
    for batch in 0..<g.batches {
      // The picture with its padding, each channel repeated for the depth multiplier.
      var padded = [UInt8](repeating: c.inputZeroPoint, count: reachY * reachX * channels + 64)
      for y in 0..<min(g.inputHeight, max(0, reachY - g.paddingTop)) {
        for x in 0..<min(g.inputWidth, max(0, reachX - g.paddingLeft)) {
          let target = ((y + g.paddingTop) * reachX + x + g.paddingLeft) * channels
          let source = ((batch * g.inputHeight + y) * g.inputWidth + x) * g.inputChannels
          for channel in 0..<channels { padded[target + channel] = input[source + channel / multiplier] }
        }
      }
      for y in 0..<g.outputHeight {
        var runs: [Int] = []
        for ky in 0..<g.kernelHeight {
          let row = (y * g.strideHeight + ky * g.dilationHeight) * reachX * channels
          let isRow = !isDepthwise && c.packedRuns.runs == g.kernelHeight
          for kx in 0..<(isRow ? 1 : g.kernelWidth) { runs.append(row + kx * g.dilationWidth * channels) }
        }
        let target = (batch * g.outputHeight + y) * g.outputWidth * g.outputChannels
        convolveRow(c, panels, padded, runs, step: g.strideWidth * channels, isDepthwise, &out, target)
      }
    }
    return out
  }

  private func convolveRow(
    _ c: Convolution, _ panels: [thimble_channels16], _ padded: [UInt8], _ runs: [Int], step: Int,
    _ isDepthwise: Bool, _ out: inout [UInt8], _ target: Int
  ) {
    let g = c.geometry
    let requantization = thimble_requantization(
      zero_point: Int32(c.outputZeroPoint), clamp_min: c.clampMin, clamp_max: c.clampMax, is_bounded: false,
      rounds_once: c.roundsOnce)
    let weights = model.payloads[c.weights]
    var pixelBias = [Int32](repeating: 0, count: g.outputWidth)
    padded.withUnsafeBufferPointer { source in
      let pointers = runs.map { source.baseAddress! + $0 }
      weights.withUnsafeBytes { weights in
        let w = weights.baseAddress!.assumingMemoryBound(to: Int8.self)
        at(&out, target) { target in
          if isDepthwise {
            var args = thimble_depthwise_args(
              taps: pointers.withUnsafeBufferPointer { $0.baseAddress! }, tap_count: runs.count, pixel_stride: step,
              pixels: g.outputWidth, weights: w, weight_zero_point: c.weightZeroPoint,
              channels: panels.withUnsafeBufferPointer { $0.baseAddress! }, requantization: requantization, out: target,
              out_stride: g.outputChannels, channel_count: g.outputChannels)
            depthwisePortable(&args)
            return
          }
          var biasArgs = thimble_pixel_bias_args(
            runs: pointers.withUnsafeBufferPointer { $0.baseAddress! }, run_count: runs.count,
            run_bytes: c.packedRuns.runBytes, pixel_stride: step, pixels: g.outputWidth,
            weight_zero_point: c.weightZeroPoint, out: pixelBias.withUnsafeMutableBufferPointer { $0.baseAddress! })
          pixelBiasPortable(&biasArgs)
          var args = thimble_gemm_args(
            runs: pointers.withUnsafeBufferPointer { $0.baseAddress! }, run_count: runs.count,
            groups: c.packedRuns.groupsPerRun, pixel_stride: step, pixels: g.outputWidth, weights: w,
            panels: c.panelCount, channels: panels.withUnsafeBufferPointer { $0.baseAddress! },
            pixel_bias: pixelBias.withUnsafeBufferPointer { $0.baseAddress! }, requantization: requantization,
            out: target, out_stride: g.outputChannels, out_channels: g.outputChannels)
          gemmPortable(&args)
          withExtendedLifetime((pointers, panels, pixelBias)) {}
        }
      }
    }
  }

  private func channels16(_ c: Convolution) -> [thimble_channels16] {
    (0..<c.panelCount).map { panel in
      var channels = thimble_channels16()
      func fill(_ target: UnsafeMutableRawPointer, _ value: (Int) -> Int32) {
        for i in 0..<16 where panel * 16 + i < c.geometry.outputChannels {
          target.storeBytes(of: value(panel * 16 + i), toByteOffset: 4 * i, as: Int32.self)
        }
      }
      withUnsafeMutableBytes(of: &channels.bias) { fill($0.baseAddress!) { c.channels.bias[$0] } }
      withUnsafeMutableBytes(of: &channels.multiplier) { fill($0.baseAddress!) { c.channels.multiplier[$0] } }
      withUnsafeMutableBytes(of: &channels.shift) { fill($0.baseAddress!) { Int32(c.channels.shift[$0]) } }
      return channels
    }
  }

  // MARK: The others

  private func compute(_ a: Arithmetic, _ first: [UInt8], _ second: [UInt8]) -> [UInt8] {
    let form = a.fusedForm
    var arithmetic = thimble_arithmetic(
      kind: thimble_arithmetic_kind(UInt32(a.kind.rawValue)), first_zero_point: a.firstZeroPoint,
      second_zero_point: a.secondZeroPoint, output_zero_point: a.outputZeroPoint,
      first_multiplier: a.firstFactor.multiplier, first_shift: a.firstFactor.shift,
      second_multiplier: a.secondFactor.multiplier, second_shift: a.secondFactor.shift,
      output_multiplier: a.outputFactor.multiplier, output_shift: a.outputFactor.shift, clamp_min: a.clampMin,
      clamp_max: a.clampMax, is_fused: form != nil, a: form?.a ?? 0, b: form?.b ?? 0, c: form?.c ?? 0)
    var out = [UInt8](repeating: 0, count: a.extents.reduce(1, *))
    var position = 0
    eachIndex(of: Array(a.extents.dropLast())) { index in
      let x = zip(index, a.firstStrides).reduce(0) { $0 + $1.0 * $1.1 }
      let y = zip(index, a.secondStrides).reduce(0) { $0 + $1.0 * $1.1 }
      at(first, x) { x in
        at(second, y) { y in
          at(&out, position) { target in
            withUnsafePointer(to: &arithmetic) {
              var args = thimble_arithmetic_args(
                arithmetic: $0, first: x, second: y, first_stride: a.firstStrides.last!,
                second_stride: a.secondStrides.last!, out: target, count: a.extents.last!)
              arithmeticPortable(&args)
            }
          }
        }
      }
      position += a.extents.last!
    }
    return out
  }

  private func pool(_ p: Pool, _ input: [UInt8]) -> [UInt8] {
    let g = p.geometry
    var out = [UInt8](repeating: 0, count: g.batches * g.outputHeight * g.outputWidth * g.outputChannels)
    eachIndex(of: [g.batches, g.outputHeight, g.outputWidth]) { index in
      let (top, left) = (index[1] * g.strideHeight - g.paddingTop, index[2] * g.strideWidth - g.paddingLeft)
      let rows = max(0, top)..<min(g.inputHeight, top + g.kernelHeight)
      let columns = max(0, left)..<min(g.inputWidth, left + g.kernelWidth)
      let source = ((index[0] * g.inputHeight + rows.lowerBound) * g.inputWidth + columns.lowerBound) * g.inputChannels
      let target = ((index[0] * g.outputHeight + index[1]) * g.outputWidth + index[2]) * g.outputChannels
      at(input, source) { source in
        at(&out, target) { target in
          var args = thimble_pool_args(
            first_tap: source, rows: rows.count, columns: columns.count, row_stride: g.inputWidth * g.inputChannels,
            column_stride: g.inputChannels, channel_count: g.inputChannels, is_average: p.kind == .average,
            rounds_signed: p.roundsSigned, clamp_min: p.clampMin, clamp_max: p.clampMax, out: target)
          poolPortable(&args)
        }
      }
    }
    return out
  }

  private func mean(_ m: Mean, _ input: [UInt8]) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: m.keptExtents.reduce(1, *))
    var position = 0
    eachIndex(of: m.keptExtents) { index in
      let offset = zip(index, m.keptStrides).reduce(0) { $0 + $1.0 * $1.1 }
      at(input, offset) { source in
        at(&out, position) { target in
          var args = thimble_mean_args(
            input: source, kept_count: 1, kept_stride: 0, reduced_rank: m.reducedExtents.count,
            reduced_extents: (0, 0, 0, 0, 0, 0, 0, 0), reduced_strides: (0, 0, 0, 0, 0, 0, 0, 0),
            input_zero_point: m.inputZeroPoint, output_zero_point: m.outputZeroPoint, multiplier: m.factor.multiplier,
            shift: m.factor.shift, out: target)
          withUnsafeMutableBytes(of: &args.reduced_extents) { m.reducedExtents.withUnsafeBytes($0.copyMemory) }
          withUnsafeMutableBytes(of: &args.reduced_strides) { m.reducedStrides.withUnsafeBytes($0.copyMemory) }
          meanPortable(&args)
        }
      }
      position += 1
    }
    return out
  }

  private func resize(_ r: Resize, _ input: [UInt8]) -> [UInt8] {
    let pictureBytes = r.outputHeight * r.outputWidth * r.channels
    var out = [UInt8](repeating: 0, count: r.batches * pictureBytes)
    for batch in 0..<r.batches {
      at(input, batch * r.inputHeight * r.inputWidth * r.channels) { source in
        at(&out, batch * pictureBytes) { target in
          var args = thimble_resize_args(
            kind: thimble_resize_kind(UInt32(r.kind.rawValue)), input: source, input_height: r.inputHeight,
            input_width: r.inputWidth, output_height: r.outputHeight, output_width: r.outputWidth,
            channel_count: r.channels, align_corners: r.alignCorners, half_pixel_centers: r.halfPixelCenters,
            row_begin: 0, row_end: r.outputHeight, out: target)
          resizePortable(&args)
        }
      }
    }
    return out
  }

  private func copy(_ c: Copy, _ operands: [[UInt8]], byteCount: Int) -> [UInt8] {
    var out = [UInt8](repeating: c.fill ?? 0x5A, count: byteCount)
    for region in c.regions {
      eachIndex(of: region.extents) { index in
        let source = zip(index, region.sourceStrides).reduce(region.sourceOffset) { $0 + $1.0 * $1.1 }
        let target = zip(index, region.destinationStrides).reduce(region.destinationOffset) { $0 + $1.0 * $1.1 }
        for byte in 0..<region.runByteCount { out[target + byte] = operands[region.operand][source + byte] }
      }
    }
    return out
  }
}

/// Calls `body` with every index of the extents, the last one fastest.
private func eachIndex(of extents: [Int], _ body: ([Int]) -> Void) {
  var index = [Int](repeating: 0, count: extents.count)
  while true {
    body(index)
    var axis = extents.count - 1
    while axis >= 0 {
      index[axis] += 1
      if index[axis] < extents[axis] { break }
      index[axis] = 0
      axis -= 1
    }
    if axis < 0 { return }
  }
}

private func at(_ bytes: [UInt8], _ offset: Int, _ body: (UnsafePointer<UInt8>) -> Void) {
  bytes.withUnsafeBufferPointer { body($0.baseAddress! + offset) }
}

private func at(_ bytes: inout [UInt8], _ offset: Int, _ body: (UnsafeMutablePointer<UInt8>) -> Void) {
  bytes.withUnsafeMutableBufferPointer { body($0.baseAddress! + offset) }
}
