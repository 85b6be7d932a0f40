/// A file's bytes with what it takes to tell afterwards that they were good: its descriptor and its identity.
///
/// The bytes may change at any time if somebody writes to the file. So whoever uses them asks `condition` when done, and
/// throws the result away unless the answer is `intact`.
public struct MappedFile: ~Copyable, Sendable {
  // In this order: the bytes go before the file is closed.
  private let mapping: Mapping
  private let file: File
  /// What the file was before it was mapped.
  public let identity: FileIdentity

  /// What has become of a mapped file.
  public enum Condition: Equatable, Sendable {
    case intact
    /// Written to, or of another size: it has so many bytes now.
    case changed(byteCount: Int)
    /// Pages could not be read, though nobody changed it.
    case unreadable
  }

  /// Maps the whole file. One without bytes maps as one byte, which must not be read.
  public init(_ file: borrowing File) throws(SystemError) {
    let identity = FileIdentity(try file.status())
    let own = try file.duplicate()
    self.mapping = try Mapping(reading: own, byteCount: max(identity.byteCount, 1))
    self.identity = identity
    self.file = own
  }

  public var path: String { file.path }
  public var byteCount: Int { identity.byteCount }
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: mapping.bytes.prefix(byteCount)) }

  /// Whether what was read so far was the file as it was mapped. Changes are told by size and time of modification, which
  /// file systems keep in steps of up to 10 ms.
  public func condition() throws(SystemError) -> Condition {
    // Asked first: what cuts a file off changes it before its pages fail.
    let faultCount = mapping.faultCount
    let now = FileIdentity(try file.status())
    if now != identity { return .changed(byteCount: now.byteCount) }
    return faultCount > 0 ? .unreadable : .intact
  }

  public func releasePages() { mapping.releasePages(offset: 0, byteCount: mapping.byteCount) }

  /// Fills the buffer with the bytes from `offset` on. Errors: the file is shorter, the disk fails.
  public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(SystemError) {
    try file.read(into: buffer, at: offset)
  }
}
