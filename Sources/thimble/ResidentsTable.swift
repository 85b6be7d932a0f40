import Memory
import System
import ThimbleClient

/// `thimble models` for people: a bar of the budget, and a line for each model.
enum ResidentsTable {
  private static let barWidth = 40

  static func text(_ residents: ClientResidents) -> String {
    var text = bar(residents) + "\n"
    if residents.rungLevel > 0 {
      text += "memory pressure: rung \(residents.rungLevel), \(residents.rung)\n"
    }
    guard !residents.models.isEmpty else { return text + "no models\n" }
    text += "\n"
    let nameWidth = residents.models.reduce(5) { max($0, $1.name.count) }
    text +=
      TextColumn.left("model", nameWidth) + "  version  state     " + TextColumn.right("floor", 10)
      + TextColumn.right("cache", 11) + TextColumn.right("of", 11) + TextColumn.right("requests", 10)
      + TextColumn.right("idle", 9) + "\n"
    for model in residents.models {
      text +=
        TextColumn.left(model.name, nameWidth) + "  " + TextColumn.left(model.version, 9)
        + TextColumn.left(model.state, 10) + TextColumn.right(ByteCount.text(model.floorByteCount), 10)
        + TextColumn.right(ByteCount.text(model.cacheByteCount), 11)
        + TextColumn.right(ByteCount.text(model.cacheByteCountMax), 11)
        + TextColumn.right("\(model.requestCount)", 10)
        + TextColumn.right(model.idleSeconds.map { duration($0) } ?? "-", 9)
      if !model.reason.isEmpty { text += "  " + model.reason }
      text += "\n"
    }
    return text
  }

  /// `[####++++........] 3.2 MiB of 4.0 MiB reserved, 1.1 MiB of it caches (+)`
  private static func bar(_ residents: ClientResidents) -> String {
    let budget = max(1, residents.budgetByteCount)
    func cells(_ byteCount: Int) -> Int {
      min(barWidth, Int((Double(max(0, byteCount)) / Double(budget) * Double(barWidth)).rounded()))
    }
    let reserved = cells(residents.reservedByteCount)
    let cache = min(reserved, cells(residents.cacheByteCount))
    return "[" + String(repeating: "#", count: reserved - cache) + String(repeating: "+", count: cache)
      + String(repeating: ".", count: barWidth - reserved) + "] "
      + "\(ByteCount.text(residents.reservedByteCount)) of \(ByteCount.text(residents.budgetByteCount)) reserved, "
      + "\(ByteCount.text(residents.cacheByteCount)) of it caches (+)"
  }

  private static func duration(_ seconds: Double) -> String {
    if seconds < 100 { return Console.fixed(seconds, 1) + " s" }
    if seconds < 6000 { return Console.fixed(seconds / 60, 0) + " min" }
    return Console.fixed(seconds / 3600, 0) + " h"
  }
}
