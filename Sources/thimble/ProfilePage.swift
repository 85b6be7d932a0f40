import Memory
import Runtime
import System
import Tensors

/// A profile as one page that needs nothing beside it: a timeline of the operators, the roofline, the tables. No script; what
/// an element stands for is its `<title>`, which browsers show under the pointer. Well-formed XML.
struct ProfilePage {
  private let table: ProfileTable
  private let kindNames: [String]
  private var text = ""
  private var profile: ModelProfile { table.profile }

  var bytes: [UInt8] { Array(text.utf8) }

  init(_ table: ProfileTable) {
    self.table = table
    kindNames = table.profile.kinds.map { $0.name }
    text = ProfilePage.head(title: ProfilePage.escaped(profile.path))
    add("h1", ProfilePage.escaped(table.heading))
    for line in [table.totalText, table.rooflineText, profile.noise.text] { add("p", ProfilePage.escaped(line)) }
    add("h2", "One inference, operator by operator")
    addTimeline()
    if let roofline = profile.roofline {
      add("h2", "Roofline: what each operator reaches, of what the device could")
      addPicture(ProfileRoofline(profile, roofline).elements(color: color), height: ProfileRoofline.height)
    }
    add("h2", "By kind")
    addTable(ProfileTable.kindTitles, profile.kinds.map { table.cells($0) }, leftColumns: [0])
    add("h2", "By operator")
    let last = table.titles.count
    addTable(["#"] + table.titles, table.order.map { ["\($0)"] + table.cells($0) }, leftColumns: [1, 2, last])
    text += "</body></html>\n"
  }

  /// A page up to its first heading. `title` is escaped.
  static func head(title: String) -> String {
    """
    <!DOCTYPE html>
    <html xmlns="http://www.w3.org/1999/xhtml" lang="en"><head><meta charset="utf-8"/><title>
    """ + title + """
      </title><style>
      body{font:14px system-ui,sans-serif;margin:2em auto;max-width:1100px;padding:0 1em}
      table{border-collapse:collapse;margin:1em 0;font-variant-numeric:tabular-nums}
      td,th{padding:1px 8px;text-align:right;white-space:nowrap}
      .l{text-align:left}tr:nth-child(even){background:#8881}
      svg{width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:currentColor}
      </style></head><body>

      """
  }

  private mutating func add(_ element: String, _ content: String) {
    text += "<" + element + ">" + content + "</" + element + ">\n"
  }

  private mutating func addPicture(_ elements: String, height: Int) {
    text += "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1000 \(height)\" role=\"img\">\n" + elements
    text += "</svg>\n"
  }

  private mutating func addTable(_ titles: [String], _ rows: [[String]], leftColumns: [Int]) {
    text += "<table>"
    for (number, row) in ([titles] + rows).enumerated() {
      text += "<tr>"
      for (column, cell) in row.enumerated() {
        let element = number == 0 ? "th" : "td"
        text += "<" + element + (leftColumns.contains(column) ? " class=\"l\">" : ">")
        text += ProfilePage.escaped(cell) + "</" + element + ">"
      }
      text += "</tr>\n"
    }
    text += "</table>\n"
  }

  // MARK: The timeline

  /// Two lanes on one scale, the steady run and the first one, and a legend.
  private mutating func addTimeline() {
    let longest = max(1, profile.totalNanoseconds, profile.firstNanoseconds)
    var elements = ""
    for (lane, title) in ["steady, medians", "first run after loading"].enumerated() {
      let top = Double(lane * 70)
      elements += ProfilePage.label(0, top + 12, title)
      var x = 0.0
      for (index, entry) in profile.entries.enumerated() {
        let nanoseconds = lane == 0 ? entry.median : entry.first
        let width = 1000 * nanoseconds / longest
        elements += "<rect x=\"" + Console.fixed(x, 2) + "\" y=\"\(Int(top) + 18)\" width=\""
        elements += Console.fixed(max(0, width - 0.3), 2) + "\" height=\"32\" fill=\"" + color(entry) + "\">"
        elements += ProfilePage.title(entry, index, nanoseconds) + "</rect>\n"
        if entry.summary.chain != nil {
          elements += "<rect x=\"" + Console.fixed(x, 2) + "\" y=\"\(Int(top) + 52)\" width=\""
          elements += Console.fixed(width, 2) + "\" height=\"3\" fill=\"#888\"/>\n"
        }
        if width > 18 { elements += ProfilePage.label(x + 3, top + 38, "\(index)") }
        x += width
      }
    }
    var (x, y) = (0.0, 142)
    for name in kindNames {
      if x > 850 { (x, y) = (0, y + 16) }
      elements += "<rect x=\"" + Console.fixed(x, 0) + "\" y=\"\(y)\" width=\"10\" height=\"10\" fill=\""
      elements += color(name) + "\"/>" + ProfilePage.label(x + 14, Double(y) + 9, name)
      x += Double(30 + 7 * name.count)
    }
    addPicture(elements, height: y + 18)
  }

  static func label(_ x: Double, _ y: Double, _ text: String) -> String {
    "<text x=\"" + Console.fixed(x, 1) + "\" y=\"" + Console.fixed(y, 1) + "\">" + escaped(text) + "</text>\n"
  }

  static func title(_ entry: ModelProfile.Entry, _ index: Int, _ nanoseconds: Double) -> String {
    var text = "\(index) \(entry.summary.name) \(entry.summary.windowText) → \(entry.summary.outputShape.description)"
    text += ": " + Console.fixed(nanoseconds / 1000, 1) + " µs"
    let weights = ProfileTable.text(entry.weights)
    if !weights.isEmpty { text += ", weights " + weights }
    return "<title>" + escaped(text) + "</title>"
  }

  private func color(_ entry: ModelProfile.Entry) -> String { color(entry.summary.name) }

  /// Hues far from each other, the kind that takes most first.
  private func color(_ kind: String) -> String {
    let number = kindNames.firstIndex(of: kind) ?? 0
    return "hsl(\((210 + number * 137) % 360),60%,60%)"
  }

  /// Names are the model's author's.
  static func escaped(_ text: String) -> String {
    var bytes: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "<"): bytes += Array("&lt;".utf8)
      case UInt8(ascii: ">"): bytes += Array("&gt;".utf8)
      case UInt8(ascii: "&"): bytes += Array("&amp;".utf8)
      case UInt8(ascii: "\""): bytes += Array("&quot;".utf8)
      // XML has no way to say control characters.
      case 0..<32, 127: bytes.append(UInt8(ascii: "?"))
      default: bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
