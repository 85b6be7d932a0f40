import System

/// Why keys or a signature are refused. `message` says what to do, and is to follow the path of the file.
public enum SignatureError: Error, Equatable, Sendable {
  case tooLong(limit: Int)
  // Of a file of keys
  case noKey(line: Int)
  case noKeys
  case tooManyKeys(limit: Int)
  // Of a signature
  case missing
  case notAFile
  case noSignature
  /// Of the file itself, not of its hash.
  case notHashed
  case unknownKey(KeyIdentifier)
  case mismatch
  case commentMismatch
  case system(SystemError)

  /// Whether the message names the file itself.
  public var isSystem: Bool {
    if case .system = self { return true }
    return false
  }

  public var message: String {
    switch self {
    case .tooLong(let limit): "longer than \(limit) bytes: not a file of minisign's"
    case .noKey(let line):
      "line \(line) is not a public key of minisign's: give what `minisign -G` wrote to minisign.pub"
    case .noKeys: "there is no public key in it: give what `minisign -G` wrote to minisign.pub"
    case .tooManyKeys(let limit): "more than \(limit) keys: give fewer"
    case .missing: "no signature lies beside it (.minisig): sign it with `minisign -Sm model.thimble`"
    case .notAFile: "its signature is not a regular file: sign it with `minisign -Sm model.thimble`"
    case .noSignature: "what lies beside it (.minisig) is not a signature: sign it with `minisign -Sm model.thimble`"
    case .notHashed:
      "its signature is of minisign's old form, which is not taken: sign it without -l, `minisign -Sm model.thimble`"
    case .unknownKey(let key):
      "it is signed with the key \(key.text), which is not trusted: sign it with one that is, or add that key to --trusted-key"
    case .mismatch:
      "its signature does not match: the file was changed, or the signature is another's; sign it again if it is yours"
    case .commentMismatch: "the trusted comment of its signature was changed: take the signature as it was made"
    case .system(let error): error.message
    }
  }
}
