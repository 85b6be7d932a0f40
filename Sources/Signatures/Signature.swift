/// A signature as `minisign -S` writes it beside a file: four lines, the second and the fourth of base64.
public struct Signature: Sendable {
  /// Minisign's comments take at most 1 KiB and 8 KiB.
  public static let fileBytesMax = 12 << 10
  static let byteCount = 64
  /// The algorithm, the key's identifier, the signature.
  private static let encodedByteCount = 2 + KeyIdentifier.byteCount + byteCount

  public let key: KeyIdentifier
  /// Of the hash of the file: Ed25519.
  let fileSignature: [UInt8]
  /// Of `fileSignature` with the trusted comment after it.
  let commentSignature: [UInt8]
  /// To be believed once `commentSignature` has been checked.
  let trustedComment: [UInt8]

  public init(parsing bytes: [UInt8]) throws(SignatureError) {
    guard bytes.count <= Signature.fileBytesMax else { throw .tooLong(limit: Signature.fileBytesMax) }
    let lines = SignatureText.lines(bytes)
    guard lines.count >= 4, lines.dropFirst(4).allSatisfy({ $0.isEmpty }),
      SignatureText.text(of: lines[0], after: "untrusted comment: ") != nil,
      let encoded = SignatureText.base64(lines[1], byteCount: Signature.encodedByteCount),
      let comment = SignatureText.text(of: lines[2], after: "trusted comment: "),
      let commentSignature = SignatureText.base64(lines[3], byteCount: Signature.byteCount)
    else { throw .noSignature }
    switch (encoded[0], encoded[1]) {
    case (UInt8(ascii: "E"), UInt8(ascii: "D")): break
    case (UInt8(ascii: "E"), UInt8(ascii: "d")): throw .notHashed
    default: throw .noSignature
    }
    key = KeyIdentifier(encoded[2..<2 + KeyIdentifier.byteCount])
    fileSignature = Array(encoded.suffix(Signature.byteCount))
    self.commentSignature = commentSignature
    trustedComment = Array(comment)
  }

  var signedComment: [UInt8] { fileSignature + trustedComment }
}
