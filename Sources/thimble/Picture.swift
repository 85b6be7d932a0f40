import System

/// A picture of 8-bit RGB pixels, row by row from the top.
struct Picture {
  let width: Int
  let height: Int
  let pixels: [UInt8]

  /// Most pixels a picture file may have.
  private static let pixelCountMax = 1 << 26
  private static let fileByteCountMax = 1 << 28

  /// Reads a BMP (24 or 32 bits, uncompressed) or a binary PPM/PGM (P6, P5; 8 bits).
  init(path: String) throws(CommandError) {
    let bytes: [UInt8]
    do { bytes = try File.bytes(of: path, limit: Picture.fileByteCountMax) } catch { throw .failure(error.message) }
    let picture: Picture?
    if bytes.starts(with: "BM".utf8) {
      picture = Picture(bmp: bytes)
    } else if bytes.starts(with: "P6".utf8) || bytes.starts(with: "P5".utf8) {
      picture = Picture(netpbm: bytes)
    } else {
      throw .failure("\(path) is neither a BMP nor a PPM picture; `convert \(path) out.bmp` makes one")
    }
    guard let picture else {
      throw .failure("\(path): not a picture this program reads (24-bit BMP, 8-bit P6 or P5), or cut off")
    }
    self = picture
  }

  private init(width: Int, height: Int, pixels: [UInt8]) {
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  private init?(bmp bytes: [UInt8]) {
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
    var pixels: [UInt8] = []
    pixels.reserveCapacity(width * height * 3)
    for row in 0..<height {
      let line = start + (signedHeight > 0 ? height - 1 - row : row) * stride
      for column in 0..<width {
        let pixel = line + column * bytesPerPixel
        pixels.append(bytes[pixel + 2])
        pixels.append(bytes[pixel + 1])
        pixels.append(bytes[pixel])
      }
    }
    self.init(width: width, height: height, pixels: pixels)
  }

  private init?(netpbm bytes: [UInt8]) {
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
    var pixels: [UInt8] = []
    pixels.reserveCapacity(width * height * 3)
    for pixel in 0..<width * height {
      for channel in 0..<3 { pixels.append(bytes[offset + pixel * channels + (channels == 3 ? channel : 0)]) }
    }
    self.init(width: width, height: height, pixels: pixels)
  }

  enum Filter {
    case nearest
    case bilinear
  }

  /// The picture as `channels` (1 or 3) interleaved bytes of another size. Nearest takes source row y·H/h; bilinear
  /// samples at pixel centers. One channel is ITU-R BT.601 luma.
  func resized(width newWidth: Int, height newHeight: Int, channels: Int, filter: Filter) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(newWidth * newHeight * channels)
    for y in 0..<newHeight {
      for x in 0..<newWidth {
        let (red, green, blue) = sample(x, y, newWidth, newHeight, filter)
        if channels == 3 {
          result.append(red)
          result.append(green)
          result.append(blue)
        } else {
          let luma: Int = 299 * Int(red) + 587 * Int(green) + 114 * Int(blue)
          result.append(UInt8((luma + 500) / 1000))
        }
      }
    }
    return result
  }

  private func sample(
    _ x: Int, _ y: Int, _ newWidth: Int, _ newHeight: Int, _ filter: Filter
  ) -> (UInt8, UInt8, UInt8) {
    func at(_ x: Int, _ y: Int, _ channel: Int) -> Int { Int(pixels[(y * width + x) * 3 + channel]) }
    switch filter {
    case .nearest:
      let (sourceX, sourceY) = (x * width / newWidth, y * height / newHeight)
      let pixel = (sourceY * width + sourceX) * 3
      return (pixels[pixel], pixels[pixel + 1], pixels[pixel + 2])
    case .bilinear:
      let (x0, x1, fractionX) = Picture.neighbours(x, width, newWidth)
      let (y0, y1, fractionY) = Picture.neighbours(y, height, newHeight)
      func blend(_ channel: Int) -> UInt8 {
        let top: Int = at(x0, y0, channel) * (256 - fractionX) + at(x1, y0, channel) * fractionX
        let bottom: Int = at(x0, y1, channel) * (256 - fractionX) + at(x1, y1, channel) * fractionX
        let sum: Int = top * (256 - fractionY) + bottom * fractionY
        return UInt8((sum + 32768) >> 16)
      }
      return (blend(0), blend(1), blend(2))
    }
  }

  /// The two source positions around the center of pixel `index`, and how far it lies between them in 1/256.
  private static func neighbours(_ index: Int, _ size: Int, _ newSize: Int) -> (Int, Int, Int) {
    let position = ((2 * index + 1) * size * 128) / newSize - 128
    let clamped = max(0, min(position, (size - 1) * 256))
    return (clamped / 256, min(clamped / 256 + 1, size - 1), clamped % 256)
  }
}
