import CKernels

/// A kernel table beside the portable one, which is the reference.
struct KernelPair: @unchecked Sendable {
  let reference: UnsafePointer<thimble_kernels>
  let table: UnsafePointer<thimble_kernels>

  var name: String { String(cString: table.pointee.name) }

  /// Every table that this processor runs, but the reference.
  static var supported: [KernelPair] {
    var pairs: [KernelPair] = []
    let reference = thimble_kernel_table(0)!
    var index = 1
    while let table = thimble_kernel_table(index) {
      if thimble_kernels_are_supported(table) { pairs.append(KernelPair(reference: reference, table: table)) }
      index += 1
    }
    return pairs
  }

  /// Runs `body` for many seeds; the first problem, with its seed.
  func forSeeds(_ count: Int, _ body: (inout SplitMix) -> String?) -> String? {
    for seed in 0..<count {
      var random = SplitMix(seed: UInt64(seed) &* 0xA076_1D64_78BD_642F)
      if let problem = body(&random) { return "seed \(seed): " + problem }
    }
    return nil
  }
}

extension Check {
  /// The operators of each supported table give the reference's bytes and write nothing else.
  static var kernelChecks: [Check] {
    var checks: [Check] = []
    for pair in KernelPair.supported {
      let name = pair.name
      checks += [
        Check("\(name) gemm") { pair.gemmProblem() },
        Check("\(name) pixel bias") { pair.pixelBiasProblem() },
        Check("\(name) depthwise") { pair.depthwiseProblem() },
        Check("\(name) depthwise rows") { pair.depthwiseRowsProblem() },
        Check("\(name) requantization edges") { pair.requantizationProblem() },
        Check("\(name) arithmetic") { pair.arithmeticProblem() },
        Check("\(name) fused arithmetic") { pair.fusedArithmeticProblem() },
        Check("\(name) pool") { pair.poolProblem() },
        Check("\(name) mean") { pair.meanProblem() },
        Check("\(name) softmax") { pair.softmaxProblem() },
        Check("\(name) resize") { pair.resizeProblem() },
        Check("\(name) arg extreme") { pair.argExtremeProblem() },
        Check("\(name) lookup") { pair.lookupProblem() },
        Check("\(name) quantize") { pair.quantizeProblem() },
        Check("\(name) dequantize") { pair.dequantizeProblem() },
      ]
    }
    return checks
  }
}
