import Memory
import System

/// A picture file of 8-bit pixels, mapped: its pixels are read where they are.
final class Picture {
  private let layout: Layout
  // In this order: the pages must be gone before the budget has them back.
  private let mapping: MappedFile
  private let memory: MemoryBudget.Reservation

  /// Most pixels a picture file may have.
  private static let pixelCountMax = 1 << 26

  /// Where the pixels are in the file.
  private struct Layout {
    var width: Int
    var height: Int
    /// Byte of the top left pixel, and bytes to the next row, below zero where the file has the bottom row first.
    var start: Int
    var rowStride: Int
    var pixelStride: Int
    /// Bytes from a pixel to its red, green and blue.
    var red: Int
    var green: Int
    var blue: Int
  }

  /// Opens a BMP (24 or 32 bits, uncompressed) or a binary PPM/PGM (P6, P5; 8 bits).
  init(path: String, budget: MemoryBudget) throws(CommandError) {
    let mapping = try ModelOpening.map(path)
    // Nothing is resident before it is read.
    do { memory = try budget.reserve(mapping.byteCount, for: .buffers, kind: .mapped) } catch {
      throw .failure("\(path): \(error.message)")
    }
    let layout: Layout?
    if mapping.bytes.starts(with: "BM".utf8) {
      layout = Picture.layout(bmp: mapping.bytes)
    } else if mapping.bytes.starts(with: "P6".utf8) || mapping.bytes.starts(with: "P5".utf8) {
      layout = Picture.layout(netpbm: mapping.bytes)
    } else {
      throw .failure("\(path) is neither a BMP nor a PPM picture; `convert \(path) out.bmp` makes one")
    }
    guard let layout else {
      throw .failure("\(path): not a picture this program reads (24-bit BMP, 8-bit P6 or P5), or cut off")
    }
    self.layout = layout
    self.mapping = mapping
  }

  private static func layout(bmp bytes: UnsafeRawBufferPointer) -> Layout? {
    func number(_ offset: Int, _ count: Int) -> Int? {
      guard bytes.count >= offset + count else { return nil }
      var value: UInt32 = 0
      for index in 0..<count { value |= UInt32(bytes[offset + index]) << UInt32(8 * index) }
      return count == 4 ? Int(Int32(bitPattern: value)) : Int(value)
    }
    guard let start = number(10, 4), let width = number(18, 4), let signedHeight = number(22, 4),
      let bits = number(28, 2), let compression = number(30, 4), width > 0, signedHeight != 0, start >= 0,
      bits == 24 || bits == 32, compression == 0 || (compression == 3 && bits == 32)
    else { return nil }
    let height = abs(signedHeight)
    guard width <= Picture.pixelCountMax, height <= Picture.pixelCountMax / width else { return nil }
    let bytesPerPixel = bits / 8
    let stride = (width * bytesPerPixel + 3) / 4 * 4
    guard start <= bytes.count, bytes.count - start >= stride * height else { return nil }
    let isBottomFirst = signedHeight > 0
    return Layout(
      width: width, height: height, start: isBottomFirst ? start + (height - 1) * stride : start,
      rowStride: isBottomFirst ? -stride : stride, pixelStride: bytesPerPixel, red: 2, green: 1, blue: 0)
  }

  private static func layout(netpbm bytes: UnsafeRawBufferPointer) -> Layout? {
    // P6 or P5, width, height, greatest value: separated by white space and # comments; one white space; pixels.
    var offset = 2
    var numbers: [Int] = []
    while numbers.count < 3 {
      guard offset < bytes.count else { return nil }
      if bytes[offset] == UInt8(ascii: "#") {
        while offset < bytes.count, bytes[offset] != 10 { offset += 1 }
      } else if bytes[offset] <= 32 {
        offset += 1
      } else {
        var value = 0
        guard (48...57).contains(bytes[offset]) else { return nil }
        while offset < bytes.count, (48...57).contains(bytes[offset]), value <= Picture.pixelCountMax {
          value = value * 10 + Int(bytes[offset] - 48)
          offset += 1
        }
        numbers.append(value)
      }
    }
    offset += 1
    let channels = bytes[1] == UInt8(ascii: "6") ? 3 : 1
    let (width, height) = (numbers[0], numbers[1])
    guard numbers[2] == 255, width > 0, height > 0, width <= Picture.pixelCountMax,
      height <= Picture.pixelCountMax / width, offset <= bytes.count, bytes.count - offset >= width * height * channels
    else { return nil }
    return Layout(
      width: width, height: height, start: offset, rowStride: width * channels, pixelStride: channels, red: 0,
      green: channels / 2, blue: channels - 1)
  }

  /// - Throws: that the file changed since it was opened: pixels were no picture's.
  func check() throws(CommandError) { try mapping.check() }

  enum Filter {
    case nearest
    case bilinear
  }

  /// Writes the picture as `channels` (1 or 3) interleaved bytes of another size. Nearest takes source row y·H/h; bilinear
  /// samples at pixel centers. One channel is ITU-R BT.601 luma. int8 pictures, `isSigned`, are the same picture minus 128.
  func resize(
    into target: UnsafeMutableRawBufferPointer, width newWidth: Int, height newHeight: Int, channels: Int,
    isSigned: Bool, filter: Filter
  ) {
    let flip: UInt8 = isSigned ? 0x80 : 0
    var index = 0
    for y in 0..<newHeight {
      for x in 0..<newWidth {
        let (red, green, blue) = sample(x, y, newWidth, newHeight, filter)
        if channels == 3 {
          target[index] = red ^ flip
          target[index + 1] = green ^ flip
          target[index + 2] = blue ^ flip
        } else {
          let luma: Int = 299 * Int(red) + 587 * Int(green) + 114 * Int(blue)
          target[index] = UInt8((luma + 500) / 1000) ^ flip
        }
        index += channels
      }
    }
  }

  private func sample(
    _ x: Int, _ y: Int, _ newWidth: Int, _ newHeight: Int, _ filter: Filter
  ) -> (UInt8, UInt8, UInt8) {
    let layout = layout
    let bytes = mapping.bytes
    func at(_ x: Int, _ y: Int, _ channel: Int) -> Int {
      Int(bytes[layout.start + y * layout.rowStride + x * layout.pixelStride + channel])
    }
    switch filter {
    case .nearest:
      let (sourceX, sourceY) = (x * layout.width / newWidth, y * layout.height / newHeight)
      func nearest(_ channel: Int) -> UInt8 { UInt8(at(sourceX, sourceY, channel)) }
      return (nearest(layout.red), nearest(layout.green), nearest(layout.blue))
    case .bilinear:
      let (x0, x1, fractionX) = Picture.neighbours(x, layout.width, newWidth)
      let (y0, y1, fractionY) = Picture.neighbours(y, layout.height, newHeight)
      func blend(_ channel: Int) -> UInt8 {
        let top: Int = at(x0, y0, channel) * (256 - fractionX) + at(x1, y0, channel) * fractionX
        let bottom: Int = at(x0, y1, channel) * (256 - fractionX) + at(x1, y1, channel) * fractionX
        let sum: Int = top * (256 - fractionY) + bottom * fractionY
        return UInt8((sum + 32768) >> 16)
      }
      return (blend(layout.red), blend(layout.green), blend(layout.blue))
    }
  }

  /// The two source positions around the center of pixel `index`, and how far it lies between them in 1/256.
  private static func neighbours(_ index: Int, _ size: Int, _ newSize: Int) -> (Int, Int, Int) {
    let position = ((2 * index + 1) * size * 128) / newSize - 128
    let clamped = max(0, min(position, (size - 1) * 256))
    return (clamped / 256, min(clamped / 256 + 1, size - 1), clamped % 256)
  }
}
