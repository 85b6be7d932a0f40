import Power
import PowerSimulation

/// Pads to a column.
func column(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}

func rounded(_ value: Double, _ digits: Int) -> String {
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  let whole = Int((value * scale).rounded())
  if digits == 0 { return "\(whole)" }
  let fraction = String(abs(whole) % Int(scale))
  return "\(whole / Int(scale))." + String(repeating: "0", count: digits - fraction.count) + fraction
}

let policies: [Policy] = [
  .allCores(sharesEvenly: false), .allCores(sharesEvenly: true), .oneThread, .governor(.performance),
  .governor(.balanced), .governor(.powerSaver),
]
for board in Board.known {
  for network in [Network.convolutional, .streaming] {
    print("\n\(board.name), \(network.name), worth \(network.worthwhileThreadCount(board)) threads")
    var base: Simulation?
    for policy in policies {
      let result = Simulation(board, network, policy)
      let other = base ?? result
      base = other
      print(
        policy.name.padding(26), column(rounded(result.runCount / 1800, 1), 8), "runs/s",
        column(rounded(result.runCount / other.runCount, 2), 5), "x",
        column(rounded(result.joules / 1000, 2), 6), "kJ", column(rounded(result.joules / other.joules, 2), 5), "x",
        column(rounded(result.secondsAboveTrip, 0), 5), "s above", column(rounded(result.celsiusMax, 1), 6), "°C",
        column("\(result.stateChangeCount)", 4), "changes, last",
        rounded(result.samples.last!.megahertz, 0), "MHz", result.samples.last!.threadCount,
        rounded(result.samples.last!.dutyPercent, 0))
    }
  }
}

extension String {
  func padding(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
