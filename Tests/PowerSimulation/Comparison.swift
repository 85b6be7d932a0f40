import Power

/// Every policy on one board with one network, side by side.
public struct Comparison: Sendable {
  public let board: Board
  public let network: Network
  public let worthwhileThreadCount: Int
  public let rows: [(policy: Policy, result: Simulation)]
  /// A stream at a share of the rate that the last policy keeps up at full load on the warm board.
  public let streamRate: Double
  public let streams: [(policy: Policy, result: StreamSimulation)]

  /// The first policy is what the others are compared with.
  public init(_ board: Board, _ network: Network, profile: PowerProfile, minutes: Double = 30) {
    self.board = board
    self.network = network
    worthwhileThreadCount = network.worthwhileThreadCount(board)
    let policies: [Policy] = [
      .allCores(sharesEvenly: false), .allCores(sharesEvenly: true), .oneThread, .governor(profile),
    ]
    rows = policies.map { ($0, Simulation(board, network, $0, minutes: minutes)) }
    streamRate = rows.last!.result.sustainedRate * Comparison.streamShare
    let rate = streamRate
    streams = [policies[0], policies[3]].map {
      ($0, StreamSimulation(board, network, $0, rate: rate, minutes: Int(minutes)))
    }
  }

  public static let streamShare = 0.8

  private static let titles = ["", "runs/s", "×", "kJ", "×", "J/run", "s above trip", "°C max", "changes"]

  private var cells: [[String]] {
    let base = rows[0].result
    return rows.map { policy, result in
      [
        policy.name, Comparison.fixed(result.runCount / result.samples.last!.seconds, 1),
        Comparison.fixed(result.runCount / base.runCount, 2), Comparison.fixed(result.joules / 1000, 2),
        Comparison.fixed(result.joules / base.joules, 2), Comparison.fixed(result.joules / result.runCount, 4),
        Comparison.fixed(result.secondsAboveTrip, 0), Comparison.fixed(result.celsiusMax, 1),
        "\(result.stateChangeCount)",
      ]
    }
  }

  private var streamText: String {
    let parts = streams.map { policy, result in
      "\(policy.name) \(Comparison.fixed(result.p95.first! * 1000, 2)) → \(Comparison.fixed(result.p95.last! * 1000, 2)) ms"
        + " (\(Comparison.fixed(result.growth, 2))×)"
    }
    return "a stream of \(Comparison.fixed(streamRate, 1)) a second, p95 of the first and the last minute: "
      + parts.joined(separator: "; ")
  }

  /// What nobody could do better at, and what clocks would be worth.
  private var boundText: String {
    let frontier = Frontier(board, network)
    let all = rows[0].result
    let late = all.samples.suffix(all.samples.count / 3)
    let watts = late.reduce(0) { $0 + $1.watts } / Double(max(1, late.count))
    let least = frontier.leastWatts(forRunsPerSecond: all.sustainedRate) ?? watts
    func share(_ atFullClock: Bool) -> String {
      let most = frontier.mostRunsPerSecond(upTo: board.passiveTrip - 5.5, atFullClock: atFullClock) ?? 0
      return Comparison.fixed(most / all.sustainedRate, 2)
    }
    return "on the warm board no choice of clocks, threads and pauses does what all cores do for less than "
      + "\(Comparison.fixed(least / watts, 2))× the power; 5.5 °C below the trip the most is \(share(true))× at full clock, "
      + "\(share(false))× at any clock"
  }

  private var title: String {
    "\(board.name), \(network.name) network, worth \(worthwhileThreadCount) threads, "
      + "\(Comparison.fixed(board.ambient, 0)) °C around it, trip at \(Comparison.fixed(board.passiveTrip, 0)) °C"
  }

  /// A table for people.
  public var text: String {
    let lines = [Comparison.titles] + cells
    let widths = Comparison.titles.indices.map { column in lines.map { $0[column].count }.max()! }
    var text = title + "\n"
    for line in lines {
      for (column, cell) in line.enumerated() {
        let space = String(repeating: " ", count: widths[column] - cell.count)
        text += (column == 0 ? cell + space : "  " + space + cell)
      }
      text += "\n"
    }
    return text + streamText + "\n" + boundText + "\n"
  }

  /// The same as a part of a page, with temperature, clock and threads over time.
  public var html: String {
    var text = "<h2>" + title + "</h2>\n<table><tr>"
    for title in Comparison.titles { text += "<th>" + title + "</th>" }
    for line in cells { text += "</tr><tr>" + line.map { "<td>" + $0 + "</td>" }.joined() }
    text += "</tr></table>\n<p>" + streamText + "<br>" + boundText + "</p>\n"
    text += plot("°C", from: board.ambient, to: board.passiveTrip + 10, line: board.passiveTrip) { $0.celsius }
    text += plot("runs/s", from: 0, to: rows.flatMap { $0.result.samples }.map { $0.runsPerSecond }.max()!) {
      $0.runsPerSecond
    }
    text += plot("W", from: 0, to: rows.flatMap { $0.result.samples }.map { $0.watts }.max()!) { $0.watts }
    return text
  }

  private static let colors = ["#c33", "#c93", "#888", "#27b"]

  private func plot(
    _ unit: String, from low: Double, to high: Double, line: Double? = nil, _ value: (Simulation.Sample) -> Double
  ) -> String {
    let seconds = rows[0].result.samples.last!.seconds
    func y(_ value: Double) -> Double { 200 - 200 * min(1, max(0, (value - low) / (high - low))) }
    var text = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-60 -10 1080 230\" width=\"1080\">"
    text += "<text x=\"-8\" y=\"8\">\(Comparison.fixed(high, 0)) \(unit)</text>"
    text += "<text x=\"-8\" y=\"204\">\(Comparison.fixed(low, 0))</text><rect width=\"1000\" height=\"200\"/>"
    if let line {
      text += "<path d=\"M0 \(Comparison.fixed(y(line), 1))H1000\" stroke=\"#000\" stroke-dasharray=\"4\"/>"
    }
    for (index, row) in rows.enumerated() {
      var path = ""
      for (number, sample) in row.result.samples.enumerated() where number % 3 == 0 {
        path += (path.isEmpty ? "M" : "L") + Comparison.fixed(1000 * sample.seconds / seconds, 1)
        path += " " + Comparison.fixed(y(value(sample)), 1)
      }
      text += "<path d=\"\(path)\" stroke=\"\(Comparison.colors[index])\"><title>\(row.policy.name)</title></path>"
    }
    return text + "</svg>\n"
  }

  /// A page that needs nothing beside it.
  public static func page(_ comparisons: [Comparison]) -> String {
    var text = "<!doctype html><html><head><meta charset=\"utf-8\"><title>Thimble: heat simulated</title><style>"
    text +=
      "body{font:14px sans-serif;margin:2em}td,th{padding:2px 10px;text-align:right}td:first-child{text-align:left}"
    text += "svg{display:block}rect{fill:#f6f6f6}path{fill:none;stroke-width:1.5}text{font-size:11px;text-anchor:end}"
    text += "</style></head><body><h1>Thirty minutes of full load</h1><p>"
    for (index, row) in comparisons.first?.rows.enumerated() ?? [].enumerated() {
      text += "<span style=\"color:\(colors[index])\">■ \(row.policy.name)</span> "
    }
    return text + "</p>" + comparisons.map { $0.html }.joined() + "</body></html>\n"
  }

  static func fixed(_ value: Double, _ digits: Int) -> String {
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let whole = Int((abs(value) * scale).rounded())
    let sign = value < 0 && whole > 0 ? "-" : ""
    guard digits > 0 else { return sign + "\(whole)" }
    let fraction = String(whole % Int(scale))
    return sign + "\(whole / Int(scale))." + String(repeating: "0", count: digits - fraction.count) + fraction
  }
}
