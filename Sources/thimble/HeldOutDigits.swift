import System

/// The held-out digits beside the digits model: `THDIGITS`, count, height and width as 32-bit little-endian numbers, then
/// the pictures' bytes, then one byte a label.
struct HeldOutDigits {
  let count: Int
  let height: Int
  let width: Int
  private let bytes: [UInt8]

  private static let headerByteCount = 20

  init(path: String) throws(CommandError) {
    do { bytes = try File.bytes(of: path, limit: 1 << 26) } catch { throw .failure(error.message) }
    let bytes = bytes
    func number(_ index: Int) -> Int { (0..<4).reduce(0) { $0 | Int(bytes[8 + 4 * index + $1]) << (8 * $1) } }
    guard bytes.count >= Self.headerByteCount, bytes.starts(with: "THDIGITS".utf8) else {
      throw .failure("\(path) does not hold digits: it does not start with THDIGITS")
    }
    (count, height, width) = (number(0), number(1), number(2))
    guard count > 0, (1...64).contains(height), (1...64).contains(width), count <= 1 << 20,
      bytes.count == Self.headerByteCount + count * (height * width + 1)
    else { throw .failure("\(path) is cut off or damaged") }
  }

  func picture(_ index: Int) -> [UInt8] {
    let start = Self.headerByteCount + index * height * width
    return Array(bytes[start..<start + height * width])
  }

  func label(_ index: Int) -> Int { Int(bytes[Self.headerByteCount + count * height * width + index]) }

  /// One line of a picture, two characters a pixel.
  func line(_ row: Int, of index: Int) -> String {
    let shades = [" ", "░", "▒", "▓", "█"]
    var text = ""
    for column in 0..<width {
      let shade = shades[Int(picture(index)[row * width + column]) * 5 / 256]
      text += shade + shade
    }
    return text
  }
}
