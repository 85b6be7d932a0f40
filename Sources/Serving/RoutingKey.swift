import ModelFile

/// What keeps requests with one version: the same key gets the same version as long as the shares stay as they are, on every
/// start and machine.
struct RoutingKey: Equatable, Sendable {
  private let hash: UInt64

  /// The key that a client gave.
  init(_ text: String) {
    var text = text
    hash = text.withUTF8 { xxh64(UnsafeRawBufferPointer($0)) }
  }

  init(_ number: UInt64) {
    hash = withUnsafeBytes(of: number.littleEndian) { xxh64($0) }
  }

  /// From 0 up to but not including `total`, every number alike often; of one model's keys it says nothing of another's.
  func point(below total: Int, model: String) -> Int {
    let mixed = hash ^ RoutingKey(model).hash
    let spread = withUnsafeBytes(of: mixed.littleEndian) { xxh64($0) }
    return Int(spread.multipliedFullWidth(by: UInt64(max(0, total))).high)
  }
}
