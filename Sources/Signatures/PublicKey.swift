/// One of minisign's public keys: who may sign models.
public struct PublicKey: Equatable, Sendable {
  /// 'Ed', the identifier, the key of Ed25519.
  private static let encodedByteCount = 42
  static let byteCount = 32

  public let identifier: KeyIdentifier
  let bytes: [UInt8]

  /// From a line in base64; nil where it is no such key.
  init?(_ line: ArraySlice<UInt8>) {
    guard let encoded = SignatureText.base64(line, byteCount: PublicKey.encodedByteCount),
      encoded[0] == UInt8(ascii: "E"), encoded[1] == UInt8(ascii: "d")
    else { return nil }
    identifier = KeyIdentifier(encoded[2..<2 + KeyIdentifier.byteCount])
    bytes = Array(encoded.suffix(PublicKey.byteCount))
  }
}
