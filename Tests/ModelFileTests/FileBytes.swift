import ModelFile

/// A `.thimble` file's bytes with its header's numbers within reach, so that tests attack what checksums guard.
struct FileBytes {
  var bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func integer(_ offset: Int, _ byteCount: Int = 8) -> Int {
    (0..<byteCount).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
  }

  mutating func set(_ offset: Int, _ value: UInt64, _ byteCount: Int = 8) {
    for index in 0..<byteCount { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
  }

  /// Where the metadata stands. It is raw where the file was written without compression.
  var metadata: Range<Int> { integer(24)..<integer(24) + integer(32) }

  /// Makes the header's checksums right again.
  mutating func fixChecksums() {
    let (start, count) = (integer(24), integer(32))
    if start >= 0, count > 0, start <= bytes.count, count <= bytes.count - start {
      set(48, bytes.withUnsafeBytes { xxh64(UnsafeRawBufferPointer(rebasing: $0[metadata])) })
    }
    set(56, bytes.withUnsafeBytes { xxh64(UnsafeRawBufferPointer(rebasing: $0[..<56])) })
  }
}
