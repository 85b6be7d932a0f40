import Signatures
import System

extension Engine {
  /// The keys of every file that `option` names; nil where it is not given.
  static func trustedKeys(_ arguments: Arguments, _ option: String = "trusted-key") throws(CommandError) -> TrustedKeys?
  {
    #if THIMBLE_SIGNATURES
      guard arguments.has(option) else { return nil }
      var trusted = TrustedKeys()
      for path in arguments.all(option) {
        let bytes: [UInt8]
        do { bytes = try File.bytes(of: path, limit: TrustedKeys.fileBytesMax) } catch {
          throw .failure("--\(option): \(error.message)")
        }
        do { try trusted.add(parsing: bytes) } catch { throw .failure("--\(option) \(path): \(error.message)") }
      }
      return trusted
    #else
      guard !arguments.has(option) else {
        throw .failure("--\(option): this build checks no signatures; build with THIMBLE_SIGNATURES=1")
      }
      return nil
    #endif
  }
}
