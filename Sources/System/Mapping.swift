import CSystem

/// A region of memory obtained from the kernel, given back when it goes out of scope.
public struct Mapping: ~Copyable, @unchecked Sendable {
  public let base: UnsafeMutableRawPointer
  public let byteCount: Int
  /// The number under which faults are counted; nil where there is no file that could fail.
  private let region: Int32?

  private init(base: UnsafeMutableRawPointer, byteCount: Int, region: Int32? = nil) {
    self.base = base
    self.byteCount = byteCount
    self.region = region
  }

  /// A file's bytes, read-only. The file must not be empty. A page that cannot be read makes all bytes zero: see `faultCount`.
  /// Errors: `tooManyFiles` where 1024 files are mapped.
  public init(reading file: borrowing File, byteCount: Int) throws(SystemError) {
    var code: Int32 = 0
    guard let base = thimble_map_file(file.descriptor, byteCount, &code) else {
      throw SystemError("map", file.path, code: code)
    }
    self.init(
      base: base, byteCount: byteCount, region: try Mapping.guarded(base, byteCount, file.path, isWritable: false))
  }

  /// Bytes of a file that other processes read and write too, from `offset` on, a multiple of the page size. What is written goes
  /// to the file. A page that cannot be had makes all bytes zero, and from then on they are this process's own: see `faultCount`.
  /// Errors: `tooManyFiles` as above, and whatever the file does not allow.
  public init(
    sharing file: borrowing File, offset: Int, byteCount: Int, isWritable: Bool
  ) throws(SystemError) {
    var code: Int32 = 0
    guard let base = thimble_map_shared(file.descriptor, Int64(offset), byteCount, isWritable, &code) else {
      throw SystemError("map", file.path, code: code)
    }
    let region = try Mapping.guarded(base, byteCount, file.path, isWritable: isWritable)
    self.init(base: base, byteCount: byteCount, region: region)
  }

  /// Unmaps where it fails.
  private static func guarded(
    _ base: UnsafeMutableRawPointer, _ byteCount: Int, _ path: String, isWritable: Bool
  ) throws(SystemError) -> Int32 {
    let region = thimble_guard_region(base, byteCount, isWritable)
    guard region >= 0 else {
      _ = thimble_unmap(base, byteCount)
      throw SystemError("map", path, code: -region)
    }
    return region
  }

  /// Zeroed private memory, page-aligned; pages become resident when first touched.
  public init(zeroed byteCount: Int) throws(SystemError) {
    var code: Int32 = 0
    let count = Mapping.roundedToPages(max(byteCount, 1))
    guard let base = thimble_map_anonymous(count, &code) else { throw SystemError("allocate", code: code) }
    self.init(base: base, byteCount: count)
  }

  deinit {
    if let region { thimble_unguard_region(region) }
    _ = thimble_unmap(base, byteCount)
  }

  /// How often a page could not be read since the file was mapped: it was cut off, or the disk failed. What is computed from
  /// the bytes is worth nothing unless this is 0 afterwards.
  public var faultCount: Int { region.map { Int(thimble_region_fault_count($0)) } ?? 0 }

  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }
  public var mutableBytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: base, count: byteCount)
  }

  /// Lets the kernel take back the pages that lie wholly or partly in the range: a file's are read again when touched,
  /// private memory becomes zero.
  public func releasePages(offset: Int, byteCount count: Int) {
    let page = Mapping.pageByteCount
    let start = offset / page * page
    let end = min(Mapping.roundedToPages(offset + count), Mapping.roundedToPages(byteCount))
    if end > start { _ = thimble_release_pages(base + start, end - start) }
  }

  public static let pageByteCount = Int(thimble_page_byte_count())

  /// The least multiple of the page size that is at least `byteCount`. Precondition: it does not overflow.
  public static func roundedToPages(_ byteCount: Int) -> Int {
    (byteCount + pageByteCount - 1) / pageByteCount * pageByteCount
  }
}
