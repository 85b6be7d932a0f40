import CSystem
import System

/// Counts the pages of a mapped file that become resident when parts of it are touched: around each page the kernel maps the
/// window it lies in (fault_around_bytes), whose place it chooses by address.
struct FilePages {
  /// Linux's default, or a page where pages are larger.
  static let windowByteCount = max(64 * 1024, Mapping.pageByteCount)

  /// First page and last page of each part, in whatever order parts came.
  private var parts: [(first: Int, last: Int)] = []
  private var isInOrder = true

  mutating func add(_ offset: Int, _ byteCount: Int) {
    let page = Mapping.pageByteCount
    let (first, last) = (offset / page, (offset + byteCount - 1) / page)
    guard let previous = parts.last else { return parts.append((first, last)) }
    if first < previous.first {
      isInOrder = false
    } else if first - previous.last <= FilePages.windowByteCount / page {
      parts[parts.count - 1].last = max(previous.last, last)
      return
    }
    parts.append((first, last))
  }

  /// Bytes of all windows, and no more than there can be from the first part to the last.
  var residentByteCount: Int {
    let window = FilePages.windowByteCount / Mapping.pageByteCount
    var pages = 0
    var group: (first: Int, last: Int)?
    for part in isInOrder ? parts : parts.sorted(by: { $0.first < $1.first }) {
      if let open = group {
        if part.first - open.last <= window {
          group = (open.first, max(open.last, part.last))
          continue
        }
        pages += FilePages.windows(open, of: window)
      }
      group = part
    }
    if let group { pages += FilePages.windows(group, of: window) }
    return pages * Mapping.pageByteCount
  }

  /// Pages of the windows that a run of pages touches, wherever windows begin.
  private static func windows(_ part: (first: Int, last: Int), of window: Int) -> Int {
    (part.last - part.first + window - 1) / window * window + window
  }

  /// Lets the pages of a part of a mapped file go, with the windows that came with them.
  static func release(_ offset: Int, _ byteCount: Int, of mapped: UnsafeRawBufferPointer) {
    let base = Int(bitPattern: mapped.baseAddress!)
    let window = FilePages.windowByteCount
    let start = max(base, (base + offset) / window * window)
    let end = min(
      base + Mapping.roundedToPages(mapped.count), (base + offset + byteCount + window - 1) / window * window)
    if start < end { _ = thimble_release_pages(UnsafeMutableRawPointer(bitPattern: start)!, end - start) }
  }
}
