import Memory
import Runtime
import System
import Tensors

/// A profile in rows and columns, for the terminal and the page alike.
struct ProfileTable {
  let profile: ModelProfile
  /// Operators by their number in run order, in the order of the rows.
  let order: [Int]

  /// `sortsByTime`: what takes most first, instead of run order.
  init(_ profile: ModelProfile, sortsByTime: Bool = false) {
    self.profile = profile
    let all = Array(profile.entries.indices)
    order = sortsByTime ? all.sorted { profile.entries[$0].median > profile.entries[$1].median } : all
  }

  /// Columns that hold text, from the left; numbers follow, then where weights are.
  static let leftColumnCount = 2

  var titles: [String] {
    ["operator", "output", "µs", "min", "first", "share", "GMAC/s", "GB/s", "roof"]
      + (profile.threadCount > 1 ? ["idle"] : []) + ["weights"]
  }

  func cells(_ index: Int) -> [String] {
    let entry = profile.entries[index]
    let summary = entry.summary
    var name = (summary.chain == nil ? "" : "┃ ") + summary.name
    if !summary.windowText.isEmpty { name += " " + summary.windowText }
    var cells = [name, summary.outputShape.description]
    for time in [entry.median, entry.least, entry.first] { cells.append(Console.fixed(time / 1000, 1)) }
    cells.append(ProfileTable.percent(entry.median / max(1, profile.totalNanoseconds)))
    cells.append(summary.multiplyAdds > 0 ? Console.fixed(entry.multiplyAddRate, 1) : "")
    cells.append(Console.fixed(entry.byteRate, 1))
    cells.append(profile.roofline.map { ProfileTable.percent(entry.share(of: $0)) } ?? "")
    if profile.threadCount > 1 {
      cells.append(ProfileTable.percent(max(0, 1 - entry.busy / max(1, entry.median) / Double(profile.threadCount))))
    }
    cells.append(ProfileTable.text(entry.weights))
    return cells
  }

  static let kindTitles = ["operator", "count", "µs", "share", "GMAC/s", "roof"]

  func cells(_ kind: ModelProfile.Kind) -> [String] {
    [
      kind.name, "\(kind.count)", Console.fixed(kind.nanoseconds / 1000, 1),
      ProfileTable.percent(kind.nanoseconds / max(1, profile.totalNanoseconds)),
      kind.multiplyAdds > 0 ? Console.fixed(Double(kind.multiplyAdds) / max(1, kind.nanoseconds), 1) : "",
      profile.roofline == nil ? "" : ProfileTable.percent(kind.leastNanoseconds / max(1, kind.nanoseconds)),
    ]
  }

  static func percent(_ share: Double) -> String { Console.fixed(100 * share, 1) + "%" }

  static func text(_ weights: WeightResidency) -> String {
    var text = ""
    for (name, byteCount) in [
      ("in place", weights.inPlaceByteCount), ("resident", weights.residentByteCount),
      ("streamed", weights.streamedByteCount),
    ] where byteCount > 0 {
      text += (text.isEmpty ? "" : ", ") + ByteCount.text(byteCount) + " " + name
    }
    return text
  }

  // MARK: Sentences

  var heading: String {
    let threads = profile.threadCount
    return "\(profile.path)  \(profile.isa), \(threads) thread\(threads == 1 ? "" : "s"), "
      + "\(profile.recorded.count) rounds"
  }

  var rooflineText: String {
    guard let roofline = profile.roofline else { return "roofline not measured: the budget has too little left for it" }
    return "roofline \(Console.fixed(roofline.multiplyAddsPerNanosecond, 1)) GMAC/s,"
      + " \(Console.fixed(roofline.bytesPerNanosecond, 1)) GB/s"
      + " (copying through \(ByteCount.text(roofline.bufferByteCount))), measured on "
      + (profile.threadCount == 1 ? "one thread" : "\(profile.threadCount) threads")
  }

  var totalText: String {
    func milliseconds(_ nanoseconds: Double) -> String { Console.fixed(nanoseconds / 1e6, 3) }
    return "one inference \(milliseconds(profile.plain.median)) ms, min \(milliseconds(profile.plain.least));"
      + " recorded \(milliseconds(profile.recorded.median)), min \(milliseconds(profile.recorded.least));"
      + " first after loading \(milliseconds(profile.firstNanoseconds))"
  }

  // MARK: The terminal

  func printText() {
    Console.line(heading)
    Console.line(rooflineText)
    Console.line("")
    let longest = profile.entries.reduce(1) { max($0, $1.median) }
    TextTable.print(
      [["#"] + titles] + order.map { ["\($0)"] + cells($0) }, isLeft: { (1...2).contains($0) || $0 == titles.count },
      bars: order.map { profile.entries[$0].median / longest })
    Console.line("")
    let kinds = profile.kinds
    TextTable.print(
      [ProfileTable.kindTitles] + kinds.map { cells($0) }, isLeft: { $0 == 0 },
      bars: kinds.map { $0.nanoseconds / max(1, kinds[0].nanoseconds) })
    Console.line("")
    Console.line(totalText)
    Console.line(profile.noise.text)
  }
}
