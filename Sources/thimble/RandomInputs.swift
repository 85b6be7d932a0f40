import Runtime
import Tensors

/// Bytes from a fixed generator, the same in every run.
enum RandomInputs {
  static func fill(_ session: Session) {
    var state: UInt64 = 88_172_645_463_325_252
    for index in session.inputs.indices {
      session.writeInput(index) { bytes in
        if session.inputs[index].elementType == .float32 {
          for offset in stride(from: 0, to: bytes.count, by: 4) {
            bytes.storeBytes(of: Float(Int64(next(&state) & 0xffff)) / 32768 - 1, toByteOffset: offset, as: Float.self)
          }
        } else {
          // All of each number: load time counts this, too.
          let whole = bytes.count & ~7
          for offset in stride(from: 0, to: whole, by: 8) {
            bytes.storeBytes(of: next(&state).littleEndian, toByteOffset: offset, as: UInt64.self)
          }
          for offset in whole..<bytes.count { bytes[offset] = UInt8(truncatingIfNeeded: next(&state) >> 16) }
        }
      }
    }
  }

  /// G. Marsaglia, "Xorshift RNGs" (2003): xorshift64.
  private static func next(_ state: inout UInt64) -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}
