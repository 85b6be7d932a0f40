/// Tells whether a path or a descriptor still shows the same unchanged file.
///
/// The time of the last change of status would see more, but renaming another file over this one changes it too.
public struct FileIdentity: Equatable, Sendable {
  public let device: UInt64
  public let inode: UInt64
  public let byteCount: Int
  public let modifiedNanoseconds: Int64

  public init(_ status: FileStatus) {
    device = status.device
    inode = status.inode
    byteCount = status.byteCount
    modifiedNanoseconds = status.modifiedNanoseconds
  }
}
