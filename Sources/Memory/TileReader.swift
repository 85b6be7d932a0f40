import ModelFile
import System

/// What a thread decodes tiles with: a decoder and room for a frame. One thread at a time.
final class TileReader: @unchecked Sendable {
  private let lock = Lock()
  private let decompressor: ZstdDecompressor
  private let frame: Mapping

  /// Bytes of one, for frames of at most `frameByteCount`.
  static func byteCount(frameByteCount: Int) -> Int {
    ZstdDecompressor.byteCount + Mapping.roundedToPages(frameByteCount)
  }

  init(frameByteCount: Int) throws(MemoryError) {
    let byteCount = TileReader.byteCount(frameByteCount: frameByteCount)
    guard let decompressor = ZstdDecompressor() else { throw .refusedByKernel(needed: byteCount) }
    do { frame = try Mapping(zeroed: frameByteCount) } catch { throw .refusedByKernel(needed: byteCount) }
    self.decompressor = decompressor
  }

  /// Reads a compressed tile, checks it where `verifies`, and decodes it unless there is no output.
  func read(
    _ tile: Tile, of blob: Int, in file: borrowing ModelFile, verifies: Bool,
    into output: UnsafeMutableRawPointer?
  ) throws(ModelFileError) {
    lock.lock()
    do throws(ModelFileError) { try readLocked(tile, of: blob, in: file, verifies: verifies, into: output) } catch {
      lock.unlock()
      throw error
    }
    lock.unlock()
  }

  private func readLocked(
    _ tile: Tile, of blob: Int, in file: borrowing ModelFile, verifies: Bool,
    into output: UnsafeMutableRawPointer?
  ) throws(ModelFileError) {
    try file.read(tile, into: frame.base)
    let stored = UnsafeRawBufferPointer(start: frame.base, count: tile.storedByteCount)
    if verifies { try file.verify(stored, tile, of: blob) }
    guard let output else { return }
    let decoded = UnsafeMutableRawBufferPointer(start: output, count: tile.decodedByteCount)
    if !decompressor.decompress(stored, into: decoded) {
      throw file.cause(of: .undecodable(part: "a tile of blob \(blob) at byte \(tile.fileOffset)"))
    }
  }
}
