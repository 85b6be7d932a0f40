import CZstd

/// Compresses buffers to zstd frames, one context for many.
public final class ZstdCompressor {
  private let context: OpaquePointer

  /// Saves as much on quantized weights as level 19 and decodes fastest: there is little but entropy to save. The static builds
  /// leave the other levels out (`targets/make-sysroot.sh`).
  private static let level: Int32 = 1

  /// Bytes a context needs at level 1 besides input and frame, for the memory budget; measured by `ZSTD_sizeof_CCtx`.
  public static let byteCount = 1024 * 1024

  public init?() {
    guard let context = ZSTD_createCCtx() else { return nil }
    self.context = context
  }

  deinit { ZSTD_freeCCtx(context) }

  /// One frame, or nil where it would not be smaller than `limit` bytes.
  public func compress(_ bytes: UnsafeRawBufferPointer, limit: Int) -> [UInt8]? {
    var frame = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
    let count = frame.withUnsafeMutableBytes {
      ZSTD_compressCCtx(context, $0.baseAddress, $0.count, bytes.baseAddress, bytes.count, Self.level)
    }
    guard ZSTD_isError(count) == 0, count < limit else { return nil }
    frame.removeLast(frame.count - count)
    return frame
  }
}

/// Decodes zstd frames, one context for many.
public final class ZstdDecompressor {
  private let context: OpaquePointer

  /// Bytes a context needs, for the memory budget: `ZSTD_estimateDCtxSize` is 95,992, and an allocator rounds.
  public static let byteCount = 112 * 1024

  public init?() {
    guard let context = ZSTD_createDCtx() else { return nil }
    self.context = context
  }

  deinit { ZSTD_freeDCtx(context) }

  /// Decodes one frame that fills `output` exactly; false where it does not or is damaged.
  public func decompress(_ frame: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool {
    let count = ZSTD_decompressDCtx(context, output.baseAddress, output.count, frame.baseAddress, frame.count)
    return ZSTD_isError(count) == 0 && count == output.count
  }
}
