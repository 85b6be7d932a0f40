/// The type of one tensor element, with the names the Open Inference Protocol uses.
public enum ElementType: UInt8, Sendable, CaseIterable {
  case uint8 = 0
  case int8 = 1
  case int16 = 2
  case int32 = 3
  case int64 = 4
  case float32 = 5
  case bool = 6
  /// Texts, or bytes of any kind: each element has a length of its own. Tables have such, graphs do not.
  case bytes = 7

  /// Bytes of one element; of `bytes`, whose elements have no common size, 1.
  public var byteCount: Int {
    switch self {
    case .uint8, .int8, .bool, .bytes: 1
    case .int16: 2
    case .int32, .float32: 4
    case .int64: 8
    }
  }

  /// The Open Inference Protocol's name: `UINT8`, `FP32`, …
  public var name: String {
    switch self {
    case .uint8: "UINT8"
    case .int8: "INT8"
    case .int16: "INT16"
    case .int32: "INT32"
    case .int64: "INT64"
    case .float32: "FP32"
    case .bool: "BOOL"
    case .bytes: "BYTES"
    }
  }

  public init?(name: String) {
    guard let match = ElementType.allCases.first(where: { $0.name == name }) else { return nil }
    self = match
  }

  /// Whether elements are single bytes that a scale and a zero point map to reals.
  public var isQuantizedByte: Bool { self == .uint8 || self == .int8 }
}
