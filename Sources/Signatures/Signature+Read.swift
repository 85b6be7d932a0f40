import System

extension Signature {
  /// What a file's signature is called.
  public static func path(of file: String) -> String { file + ".minisig" }

  /// Reads a signature. Errors: it is no regular file, too long, no signature.
  public init(reading file: borrowing File) throws(SignatureError) {
    let status: FileStatus
    do { status = try file.status() } catch { throw .system(error) }
    guard status.isRegular else { throw .notAFile }
    guard status.byteCount <= Signature.fileBytesMax else { throw .tooLong(limit: Signature.fileBytesMax) }
    let bytes: [UInt8]
    // One that grows meanwhile is refused.
    do { bytes = try file.bytes(limit: status.byteCount) } catch { throw .system(error) }
    try self.init(parsing: bytes)
  }
}
