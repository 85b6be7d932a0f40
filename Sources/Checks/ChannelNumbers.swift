import CKernels

/// Random per-channel numbers and what follows the accumulation, for kernels of either kind of activation.
struct ChannelNumbers {
  var requantization = thimble_requantization()
  private(set) var blocks: [thimble_channels16] = []
  private let panels: Int

  /// `accumulatorMax`: the most that products add to a bias.
  init(_ random: inout SplitMix, channels: Int, accumulatorMax: Int) {
    panels = (channels + 15) / 16
    let zeroPoint = random.pick([0, 128, 255, random.integer(in: 0...255)])
    var (low, high) = (random.integer(in: 0...255), random.integer(in: 0...255))
    if low > high { swap(&low, &high) }
    switch random.integer(in: 0...3) {
    case 0, 1: (low, high) = (0, 255)
    case 2: (low, high) = (zeroPoint, max(high, zeroPoint))
    default: break
    }
    requantization.zero_point = Int32(zeroPoint)
    requantization.clamp_min = UInt8(low)
    requantization.clamp_max = UInt8(high)
    requantization.is_bounded = random.integer(in: 0...2) > 0
    requantization.rounds_once = random.integer(in: 0...3) == 0
    let bounded = requantization.is_bounded

    var numbers = [Int32](repeating: 0, count: panels * 48)
    for channel in 0..<channels {
      let place = channel / 16 * 48 + channel % 16
      let room = (1 << 30) - 1 - accumulatorMax
      let bias = random.pick([0, room, -room, random.integer(in: -room...room), random.integer(in: -100_000...100_000)])
      numbers[place] = Int32(bias)
      if bounded {
        numbers[place + 16] = random.int32(in: 1 << 30...Int(Int32.max))
        let shiftMax = Int(thimble_bounded_shift_max(requantization.zero_point))
        numbers[place + 32] = random.int32(in: 1...shiftMax)
        // Most channels should not saturate: a shift that brings the bias near a byte.
        if random.integer(in: 0...3) > 0 {
          let bits = max(1, Int.bitWidth - 1 - max(1, abs(bias) + accumulatorMax / 8).leadingZeroBitCount - 7)
          numbers[place + 32] = Int32(min(shiftMax, bits))
        }
      } else {
        let edges = [0, 1, 1 << 30, (1 << 30) + 1, Int(Int32.max) - 1, Int(Int32.max)]
        numbers[place + 16] = Int32(random.pick(edges + [random.integer(in: 0...Int(Int32.max))]))
        numbers[place + 32] = random.int32(in: -3...31)
        if random.bool() { numbers[place] = Int32(truncatingIfNeeded: random.next()) }
      }
    }
    blocks = numbers.withUnsafeBytes { bytes in
      (0..<panels).map { bytes.loadUnaligned(fromByteOffset: $0 * 192, as: thimble_channels16.self) }
    }
  }

  /// The blocks for a table: for one that takes signed activations, 128·Σw is added to each bias.
  func blocks(signedBy weightSums: [Int32], _ table: UnsafePointer<thimble_kernels>) -> [thimble_channels16] {
    guard table.pointee.wants_signed_activations else { return blocks }
    var blocks = blocks
    blocks.withUnsafeMutableBytes { bytes in
      let numbers = bytes.bindMemory(to: Int32.self)
      for channel in weightSums.indices { numbers[channel / 16 * 48 + channel % 16] &+= weightSums[channel] &* 128 }
    }
    return blocks
  }
}
