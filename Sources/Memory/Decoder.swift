import ModelFile
import System

/// What a thread decodes tiles with; one thread at a time.
final class Decoder: @unchecked Sendable {
  private let lock = Lock()
  private let decompressor: ZstdDecompressor

  static let byteCount = ZstdDecompressor.byteCount

  init() throws(MemoryError) {
    guard let decompressor = ZstdDecompressor() else { throw .refusedByKernel(needed: Decoder.byteCount) }
    self.decompressor = decompressor
  }

  /// Decodes a tile's stored bytes; false where they are no frame that fills `output` exactly.
  func decode(_ stored: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool {
    lock.withLock { decompressor.decompress(stored, into: output) }
  }
}
