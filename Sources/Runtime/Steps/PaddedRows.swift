import CKernels
import ModelFile

/// Copies of input rows with the padding to their left and right, in a thread's scratch memory: as many as a window has rows,
/// so that each row is copied once while the windows go down.
struct PaddedRows {
  /// Rows kept at once.
  let count: Int
  private let rowByteCount: Int
  /// Bytes of a copy: padding, the row's own, padding.
  private let before: Int
  private let copied: Int
  private let after: Int
  private let fill: UInt8

  init(_ convolution: Convolution) {
    let geometry = convolution.geometry
    count = geometry.kernelHeight
    let whole = geometry.windowColumns * geometry.inputChannels
    rowByteCount = (whole + Int(THIMBLE_SLACK_BYTES) + 63) / 64 * 64
    before = min(geometry.paddingLeft * geometry.inputChannels, whole)
    copied = min(geometry.inputWidth * geometry.inputChannels, whole - before)
    after = whole - before - copied
    fill = convolution.inputZeroPoint
  }

  /// Bytes of scratch memory: which row each copy is, and the copies.
  var byteCount: Int { count * (8 + rowByteCount) }

  /// Whatever was copied before is another input's.
  func forgetRows(in memory: UnsafeMutableRawPointer) {
    let numbers = memory.assumingMemoryBound(to: Int.self)
    for slot in 0..<count { numbers[slot] = -1 }
  }

  /// The copy at `slot`, 0..<count, of row `number`, whose bytes are at `source`.
  func copy(
    of number: Int, at slot: Int, source: UnsafePointer<UInt8>, in memory: UnsafeMutableRawPointer
  ) -> UnsafePointer<UInt8> {
    let numbers = memory.assumingMemoryBound(to: Int.self)
    let copy = (memory + (count &* 8 &+ slot &* rowByteCount)).assumingMemoryBound(to: UInt8.self)
    if numbers[slot] != number {
      numbers[slot] = number
      thimble_fill(copy, fill, before)
      thimble_copy(copy + before, source, copied)
      thimble_fill(copy + (before &+ copied), fill, after)
    }
    return UnsafePointer(copy)
  }
}

extension WindowGeometry {
  /// Whether windows cross the left or the right edge.
  var crossesEdges: Bool { paddingLeft > 0 || windowColumns > inputWidth }
}
