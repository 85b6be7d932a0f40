import CKernels
import ModelFile

/// The per-channel numbers of one convolution in the form kernels read, 16 channels a block.
///
/// They live in memory the plan owns; padding channels have multiplier 0.
struct ChannelBlocks {
  let base: UnsafePointer<thimble_channels16>

  static func byteCount(_ convolution: Convolution) -> Int {
    convolution.panelCount * MemoryLayout<thimble_channels16>.size
  }

  /// Fills `memory` (zeroed, 64-byte aligned) for kernels that take unsigned or signed activations. `panelByteCount`: packed
  /// weights of 16 channels.
  init(
    _ convolution: Convolution, panelByteCount: Int, wantsSignedActivations: Bool, in memory: UnsafeMutableRawPointer
  ) {
    let blocks = memory.assumingMemoryBound(to: Int32.self)
    let channels = convolution.channels
    for channel in 0..<channels.bias.count {
      // A block is bias[16], multiplier[16], shift[16].
      let block = blocks + channel / 16 * 48 + channel % 16
      // Σ w·(x − 128) + 128·Σ w = Σ w·x; wraps only where the accumulator would.
      block[0] =
        wantsSignedActivations
        ? channels.bias[channel] &+ channels.weightSum[channel] &* 128 : channels.bias[channel]
      // Dead channels: multiplier 0 and a shift that keeps the layer within what vector forms take.
      let isDead = convolution.isDead(channel: channel, weightsPerChannel: panelByteCount / 16)
      block[16] = isDead ? 0 : channels.multiplier[channel]
      block[32] = isDead ? 1 : Int32(channels.shift[channel])
    }
    base = UnsafeRawPointer(memory).assumingMemoryBound(to: thimble_channels16.self)
  }
}
