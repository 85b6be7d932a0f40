import CSystem

/// A region of memory obtained from the kernel, given back when it goes out of scope.
public struct Mapping: ~Copyable, @unchecked Sendable {
  public let base: UnsafeMutableRawPointer
  public let byteCount: Int

  private init(base: UnsafeMutableRawPointer, byteCount: Int) {
    self.base = base
    self.byteCount = byteCount
  }

  /// A file's bytes, read-only. The file must not be empty.
  public init(reading file: borrowing File, byteCount: Int) throws(SystemError) {
    var code: Int32 = 0
    guard let base = thimble_map_file(file.descriptor, byteCount, &code) else {
      throw SystemError("map", file.path, code: code)
    }
    self.init(base: base, byteCount: byteCount)
  }

  /// Zeroed private memory, page-aligned; pages become resident when first touched.
  public init(zeroed byteCount: Int) throws(SystemError) {
    var code: Int32 = 0
    let count = Mapping.roundedToPages(max(byteCount, 1))
    guard let base = thimble_map_anonymous(count, &code) else { throw SystemError("allocate", code: code) }
    self.init(base: base, byteCount: count)
  }

  deinit { _ = thimble_unmap(base, byteCount) }

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

  /// Asks the kernel to read the range ahead.
  public func willNeedPages(offset: Int, byteCount count: Int) {
    let start = offset / Mapping.pageByteCount * Mapping.pageByteCount
    if count > 0 { _ = thimble_will_need_pages(base + start, offset + count - start) }
  }

  public static let pageByteCount = Int(thimble_page_byte_count())

  /// The least multiple of the page size that is at least `byteCount`. Precondition: it does not overflow.
  public static func roundedToPages(_ byteCount: Int) -> Int {
    (byteCount + pageByteCount - 1) / pageByteCount * pageByteCount
  }
}
