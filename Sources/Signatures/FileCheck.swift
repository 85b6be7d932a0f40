#if THIMBLE_SIGNATURES
  import CSodium
  import System

  /// Checks a file against a signature: the one place that calls libsodium. What is called works without `sodium_init`, which would
  /// ask the kernel for more than a daemon in its sandbox may.
  public struct FileCheck: ~Copyable {
    /// Bytes of memory that a check takes with the signature's text.
    public static let byteCount = pieceByteCount + stateByteCount + 4 * Signature.fileBytesMax
    private static let pieceByteCount = 64 << 10
    /// A whole page: its state wants to begin at a multiple of 64.
    private static let stateByteCount = 4096
    private static let hashByteCount = 64

    private let memory: Mapping

    public init() throws(SignatureError) {
      do { memory = try Mapping(zeroed: FileCheck.stateByteCount + FileCheck.pieceByteCount) } catch {
        throw .system(error)
      }
    }

    /// Checks `byteCount` bytes of `file`, which is read in pieces and by nothing but its descriptor.
    public func check(
      _ file: borrowing File, byteCount: Int, _ signature: Signature, by trusted: TrustedKeys
    ) throws(SignatureError) {
      let keys = trusted.keys(signature.key)
      guard !keys.isEmpty else { throw .unknownKey(signature.key) }
      let hash = try hash(file, byteCount: byteCount)
      guard let key = keys.first(where: { FileCheck.isSigned(hash, signature.fileSignature, by: $0) }) else {
        throw .mismatch
      }
      guard FileCheck.isSigned(signature.signedComment, signature.commentSignature, by: key) else {
        throw .commentMismatch
      }
    }

    /// BLAKE2b of 512 bits.
    private func hash(_ file: borrowing File, byteCount: Int) throws(SignatureError) -> [UInt8] {
      precondition(thimble_blake2b_state_byte_count <= FileCheck.stateByteCount)
      let state = OpaquePointer(memory.base)
      let piece = UnsafeMutableRawBufferPointer(
        start: memory.base + FileCheck.stateByteCount, count: FileCheck.pieceByteCount)
      // They fail only where they are called with other sizes than these.
      _ = crypto_generichash_blake2b_init(state, nil, 0, FileCheck.hashByteCount)
      var offset = 0
      while offset < byteCount {
        let part = UnsafeMutableRawBufferPointer(rebasing: piece.prefix(byteCount - offset))
        do { try file.read(into: part, at: offset) } catch { throw .system(error) }
        _ = crypto_generichash_blake2b_update(
          state, part.baseAddress!.assumingMemoryBound(to: UInt8.self), UInt64(part.count))
        offset += part.count
      }
      var hash = [UInt8](repeating: 0, count: FileCheck.hashByteCount)
      _ = hash.withUnsafeMutableBufferPointer {
        crypto_generichash_blake2b_final(state, $0.baseAddress!, FileCheck.hashByteCount)
      }
      return hash
    }

    private static func isSigned(_ message: [UInt8], _ signature: [UInt8], by key: PublicKey) -> Bool {
      crypto_sign_ed25519_verify_detached(signature, message, UInt64(message.count), key.bytes) == 0
    }
  }
#endif
