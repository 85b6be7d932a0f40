/// The public keys whose signatures are believed.
public struct TrustedKeys: Sendable {
  /// More bytes and keys than these are refused.
  public static let fileBytesMax = 64 << 10
  public static let countMax = 64

  public private(set) var keys: [PublicKey] = []

  public init() {}

  /// Adds the keys of a file as `minisign -G` writes it, or of several such files one after the other: a key a line.
  public mutating func add(parsing bytes: [UInt8]) throws(SignatureError) {
    guard bytes.count <= TrustedKeys.fileBytesMax else { throw .tooLong(limit: TrustedKeys.fileBytesMax) }
    let countBefore = keys.count
    for (index, line) in SignatureText.lines(bytes).enumerated() {
      if line.isEmpty || SignatureText.text(of: line, after: "untrusted comment:") != nil { continue }
      guard let key = PublicKey(line) else { throw .noKey(line: index + 1) }
      guard keys.count < TrustedKeys.countMax else { throw .tooManyKeys(limit: TrustedKeys.countMax) }
      keys.append(key)
    }
    guard keys.count > countBefore else { throw .noKeys }
  }

  /// The keys that a signature may be by: identifiers are no secret, so two may be alike.
  func keys(_ identifier: KeyIdentifier) -> [PublicKey] { keys.filter { $0.identifier == identifier } }
}
