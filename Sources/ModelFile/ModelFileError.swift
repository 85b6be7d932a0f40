import System

/// Why a model file was refused.
public enum ModelFileError: Error, Sendable {
  case system(SystemError)
  /// The first bytes are not a `.thimble` header's.
  case notAModel
  case unsupportedVersion(UInt32)
  /// The header gives another size than the file has: it was cut off or appended to.
  case wrongSize(expected: Int, actual: Int)
  /// A checksum does not match: which part.
  case damaged(part: String)
  /// A value that no valid file has: where and what.
  case invalid(String)
  /// zstd refused a frame.
  case undecodable(part: String)
  /// The file was written to or cut off while it was open: bytes it had, and has now.
  case changed(from: Int, to: Int)
  /// Pages of the mapped file could not be read.
  case unreadable
  /// Something is larger than this build accepts.
  case tooLarge(part: String, count: Int, limit: Int)

  public var message: String {
    switch self {
    case .system(let error): error.message
    case .notAModel:
      "not a .thimble model: the file does not start with THIMBLE; a .tflite file is converted with `thimble import`, and tables "
        + "are for `thimble inspect` and `serve`"
    case .unsupportedVersion(let version):
      "format version \(version) is newer than this build reads (\(ModelFormat.version)); import the model again or update thimble"
    case .wrongSize(let expected, let actual):
      "the file should have \(expected) bytes and has \(actual): it was cut off or changed; copy or import it again"
    case .damaged(let part): "the checksum of \(part) does not match: the file is damaged; copy or import it again"
    case .invalid(let text): "invalid model: \(text)"
    case .undecodable(let part): "\(part) cannot be decompressed: the file is damaged; copy or import it again"
    case .changed(let old, let new):
      "the file was changed while it was in use (\(old) bytes then, \(new) now): put a model in its place by renaming a new "
        + "file over it, then load it again"
    case .unreadable:
      "reading the file failed while it was in use: check the disk, put a good copy in its place by renaming, then load it "
        + "again"
    case .tooLarge(let part, let count, let limit): "\(part) is too large: \(count), this build accepts \(limit)"
    }
  }
}
