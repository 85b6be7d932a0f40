@testable import Protocols

/// Marsaglia's xorshift64: the same numbers on every run.
struct XorShift: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed | 1 }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}

extension Array where Element == UInt8 {
  init(_ text: String) { self = Array(text.utf8) }

  var text: String { String(decoding: self, as: UTF8.self) }

  /// The bytes with one to four flipped, dropped, doubled or replaced by one that the grammars care about.
  func mutated(_ random: inout XorShift) -> [UInt8] {
    var bytes = self
    let telling = Array("\r\n \t:,;{}[]\"\\/%?0123456789-+.eEtfnu\0\u{7F}").shuffled(using: &random)
    for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
      let index = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<5, using: &random) {
      case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 1: bytes.remove(at: index)
      case 2: bytes.insert(bytes[index], at: index)
      case 3: bytes[index] = telling[0]
      default: bytes.insert(telling[1], at: index)
      }
    }
    return bytes
  }
}

/// The error that `body` throws, or nil.
func failure<Value>(_ body: () throws(ProtocolError) -> Value) -> ProtocolError? {
  do throws(ProtocolError) {
    _ = try body()
    return nil
  } catch {
    return error
  }
}

/// Like `withUnsafeBytes`, for a body that throws only this module's errors.
func withBytes<Value>(
  _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(ProtocolError) -> Value
) throws(ProtocolError) -> Value {
  let result = bytes.withUnsafeBytes { raw -> Result<Value, ProtocolError> in
    do throws(ProtocolError) { return .success(try body(raw)) } catch { return .failure(error) }
  }
  return try result.get()
}
