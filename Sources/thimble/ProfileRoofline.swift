import Memory
import Runtime
import System

/// The roofline as a picture: across, multiplications a byte; up, multiplications a second; both doubling from line to line.
/// Each operator that multiplies is a disk, its area the time that it takes.
struct ProfileRoofline {
  private let profile: ModelProfile
  private let roofline: Roofline
  /// Ends of the axes, as powers of two.
  private let across: (low: Double, high: Double)
  private let up: (low: Double, high: Double)

  static let height = 420
  // Where the axes stand in the picture.
  private static let (left, right, top, bottom) = (60.0, 980.0, 15.0, 385.0)

  init(_ profile: ModelProfile, _ roofline: Roofline) {
    let ridge = roofline.multiplyAddsPerNanosecond / roofline.bytesPerNanosecond
    var across = (low: ProfileRoofline.log2(ridge) - 3, high: ProfileRoofline.log2(ridge) + 3)
    let peak = ProfileRoofline.log2(roofline.multiplyAddsPerNanosecond)
    var up = (low: peak - 4, high: peak + 0.5)
    for entry in profile.entries where entry.summary.multiplyAdds > 0 {
      let (x, y) = ProfileRoofline.place(entry)
      across = (min(across.low, x - 0.5), max(across.high, x + 0.5))
      up = (min(up.low, y - 0.5), max(up.high, y + 0.5))
    }
    self.across = across
    self.up = up
    self.profile = profile
    self.roofline = roofline
  }

  private static func place(_ entry: ModelProfile.Entry) -> (Double, Double) {
    (log2(Double(entry.summary.multiplyAdds) / Double(max(1, entry.byteCount))), log2(entry.multiplyAddRate))
  }

  private func x(_ power: Double) -> Double {
    ProfileRoofline.left + (power - across.low) / (across.high - across.low)
      * (ProfileRoofline.right - ProfileRoofline.left)
  }

  private func y(_ power: Double) -> Double {
    ProfileRoofline.bottom - (power - up.low) / (up.high - up.low) * (ProfileRoofline.bottom - ProfileRoofline.top)
  }

  func elements(color: (ModelProfile.Entry) -> String) -> String {
    var text = grid
    // Up to the ridge the bytes limit, then the multiplications.
    let peak = ProfileRoofline.log2(roofline.multiplyAddsPerNanosecond)
    let bandwidth = ProfileRoofline.log2(roofline.bytesPerNanosecond)
    let low = max(across.low, up.low - bandwidth)
    text += line(x(low), y(low + bandwidth), x(peak - bandwidth), y(peak), "currentColor")
    text += line(x(peak - bandwidth), y(peak), x(across.high), y(peak), "currentColor")
    for (index, entry) in profile.entries.enumerated() where entry.summary.multiplyAdds > 0 {
      let (across, up) = ProfileRoofline.place(entry)
      let radius = max(3, 40 * (entry.median / max(1, profile.totalNanoseconds)).squareRoot())
      text += "<circle cx=\"" + Console.fixed(x(across), 1) + "\" cy=\"" + Console.fixed(y(up), 1) + "\" r=\""
      text += Console.fixed(radius, 1) + "\" fill=\"" + color(entry) + "\" fill-opacity=\"0.7\">"
      text += ProfilePage.title(entry, index, entry.median) + "</circle>\n"
    }
    return text
  }

  private var grid: String {
    var text = ""
    for power in Int(across.low.rounded(.up))...Int(across.high) {
      text += line(x(Double(power)), ProfileRoofline.top, x(Double(power)), ProfileRoofline.bottom, "#8884")
      text += ProfilePage.label(x(Double(power)) - 6, ProfileRoofline.bottom + 14, ProfileRoofline.text(power))
    }
    for power in Int(up.low.rounded(.up))...Int(up.high) {
      text += line(ProfileRoofline.left, y(Double(power)), ProfileRoofline.right, y(Double(power)), "#8884")
      text += ProfilePage.label(14, y(Double(power)) + 4, ProfileRoofline.text(power))
    }
    text += ProfilePage.label(ProfileRoofline.right - 150, ProfileRoofline.bottom + 30, "multiply-adds a byte")
    return text + ProfilePage.label(0, ProfileRoofline.top - 3, "GMAC/s")
  }

  private func line(_ x: Double, _ y: Double, _ toX: Double, _ toY: Double, _ color: String) -> String {
    "<line x1=\"" + Console.fixed(x, 1) + "\" y1=\"" + Console.fixed(y, 1) + "\" x2=\"" + Console.fixed(toX, 1)
      + "\" y2=\"" + Console.fixed(toY, 1) + "\" stroke=\"" + color + "\"/>\n"
  }

  /// 2^power.
  private static func text(_ power: Int) -> String {
    power >= 0 ? "\(1 << min(power, 60))" : "1/\(1 << min(-power, 60))"
  }

  /// The binary logarithm, good for a picture. Precondition: the number is finite and above 0.
  static func log2(_ number: Double) -> Double {
    var (power, rest, bit) = (Double(number.exponent), number.significand, 0.5)
    for _ in 0..<12 {
      rest *= rest
      if rest >= 2 {
        rest /= 2
        power += bit
      }
      bit /= 2
    }
    return power
  }
}
