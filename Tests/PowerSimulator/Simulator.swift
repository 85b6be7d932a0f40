import Foundation
import Power
import PowerSimulation

/// Heat on boards that are not here: simulated time, the real governor.
///
/// usage: PowerSimulator [--board NAME] [--network convolutional|streaming] [--profile NAME] [--minutes N] [--html FILE]
///        PowerSimulator --board NAME --tree DIR [--load FILE|-] [--speed N]
///
/// The first prints what every policy gives on each board, and writes a page with plots. The second writes, in real time, the
/// files that the kernel of that board would show under DIR, for a daemon that reads its sensors there (`serve --root DIR`). The
/// load is a number of busy cores, read again and again from FILE, or line by line from standard input; time passes N times as
/// fast.
@main struct Simulator {
  static func main() {
    let options = Options(
      Array(CommandLine.arguments.dropFirst()),
      known: ["--board", "--network", "--profile", "--minutes", "--html", "--tree", "--load", "--speed"])
    let boards = options.chosen("--board", Board.known) { $0.name }
    do {
      if let tree = options.text("--tree") {
        guard boards.count == 1 else { Options.fail("--tree wants one --board") }
        try LiveTree(boards[0], path: tree, load: options.text("--load"), speed: options.number("--speed", 1)).run()
      }
      try compare(boards, options)
    } catch {
      Options.fail("\(error)")
    }
  }

  private static func compare(_ boards: [Board], _ options: Options) throws {
    let networks = options.chosen("--network", [Network.convolutional, .streaming]) { $0.name }
    let profile = options.chosen("--profile", PowerProfile.standard) { $0.name }[0]
    var comparisons: [Comparison] = []
    for board in boards {
      for network in networks {
        let comparison = Comparison(board, network, profile: profile, minutes: options.number("--minutes", 30))
        print(comparison.text)
        comparisons.append(comparison)
      }
    }
    if let page = options.text("--html") {
      try Comparison.page(comparisons).write(toFile: page, atomically: true, encoding: .utf8)
    }
  }
}
