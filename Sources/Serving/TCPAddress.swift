/// Where to listen for clients that know no Unix sockets: an IPv4 address and a port.
public struct TCPAddress: Equatable, Sendable, CustomStringConvertible {
  /// The most significant byte is the first of the four.
  public let host: UInt32
  /// 0: any that is free.
  public let port: UInt16

  public static let loopback: UInt32 = 127 << 24 | 1

  public init(host: UInt32 = TCPAddress.loopback, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// `127.0.0.1:8000`, `localhost:8000`, or only a port, which means this machine's clients; nil for anything else.
  public init?(_ text: String) {
    let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    guard let last = parts.last, let port = UInt16(String(decoding: last, as: UTF8.self)) else { return nil }
    switch parts.count {
    case 1: self.init(port: port)
    case 2:
      guard let host = TCPAddress.host(String(decoding: parts[0], as: UTF8.self)) else { return nil }
      self.init(host: host, port: port)
    default: return nil
    }
  }

  private static func host(_ text: String) -> UInt32? {
    if text == "localhost" { return loopback }
    let bytes = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard bytes.count == 4 else { return nil }
    var host: UInt32 = 0
    for byte in bytes {
      guard let value = UInt8(String(decoding: byte, as: UTF8.self)) else { return nil }
      host = host << 8 | UInt32(value)
    }
    return host
  }

  public var description: String { "\(host >> 24).\(host >> 16 & 255).\(host >> 8 & 255).\(host & 255):\(port)" }
}
