import Protocols
import Tensors

/// A tensor to send, or one that came back.
public struct ClientTensor: Equatable, Sendable {
  public var name: String
  public var elementType: ElementType
  public var shape: Shape
  /// The elements, little-endian and row-major; empty where they are in shared memory.
  public var bytes: [UInt8]
  /// Where the elements stand instead, or nil.
  public var shared: SharedMemoryReference?

  public init(name: String, elementType: ElementType, shape: Shape, bytes: [UInt8]) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.bytes = bytes
  }

  /// A tensor in memory that the client shares.
  public init(name: String, elementType: ElementType, shape: Shape, shared: SharedMemoryReference) {
    self.init(name: name, elementType: elementType, shape: shape, bytes: [])
    self.shared = shared
  }
}

/// What the daemon answers to an inference request.
public struct ClientResult: Equatable, Sendable {
  public enum Output: Equatable, Sendable {
    case tensor(ClientTensor)
    /// The highest elements, highest first; of each of the batch one after another.
    case classes(name: String, [ClientClass])

    public var name: String {
      switch self {
      case .tensor(let tensor): tensor.name
      case .classes(let name, _): name
      }
    }
  }

  public var modelName: String
  public var modelVersion: String
  public var id: String?
  public var outputs: [Output]
}

/// One entry of a classification.
public struct ClientClass: Equatable, Sendable {
  /// As the daemon writes it: integers as they are, floats with six decimals.
  public var value: String
  public var index: Int
  public var label: String?

  /// Parses `value:index[:label]`; a label may have colons.
  public init?(_ text: String) {
    let parts = text.utf8.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count >= 2, let index = Int(String(decoding: parts[1], as: UTF8.self)) else { return nil }
    value = String(decoding: parts[0], as: UTF8.self)
    self.index = index
    label = parts.count > 2 ? String(decoding: parts[2], as: UTF8.self) : nil
  }
}
