import Foundation
import Power
import TestSupport

/// A board at one moment of simulated time: how hot it is, and how far its kernel or firmware has taken speed away.
public struct BoardState: Sendable {
  public let board: Board
  public private(set) var seconds = 0.0
  public private(set) var die: Double
  public private(set) var boardTemperature: Double
  /// The index of the highest operating point that is allowed, by cluster.
  public private(set) var allowed: [Int]
  private var sinceThrottle = 0.0
  private var lastSensed: Double
  private var noise: XorShift
  /// What the sensor's value wavers by, in degrees.
  private let noiseDegrees: Double

  public init(_ board: Board, seed: UInt64 = 1, noiseDegrees: Double = 0.5) {
    self.board = board
    self.noiseDegrees = noiseDegrees
    // It has been idle for long.
    boardTemperature = board.ambient + board.idleWatts * board.thermal.boardToAir
    die = boardTemperature + board.idleWatts * board.thermal.dieToBoard * BoardState.idleShare
    allowed = board.clusters.map { $0.points.count - 1 }
    lastSensed = die
    noise = XorShift(seed)
  }

  /// The share of the idle power that the die takes; the rest heats the board beside it.
  static let idleShare = 0.5

  public func megahertz(_ cluster: Int) -> Double { board.clusters[cluster].points[allowed[cluster]].megahertz }

  /// Lets time pass with such a load. Returns the joules that it took.
  public mutating func advance(seconds dt: Double, busy: [Double], computing: Double) -> Double {
    let active = board.dieWatts(busy: busy, computing: computing, points: allowed, celsius: die)
    let heat = board.thermal
    let flow = (die - boardTemperature) / heat.dieToBoard
    die += dt * (active + board.idleWatts * BoardState.idleShare - flow) / heat.dieCapacity
    boardTemperature +=
      dt
      * (flow + board.idleWatts * (1 - BoardState.idleShare) - (boardTemperature - board.ambient) / heat.boardToAir)
      / heat.boardCapacity
    seconds += dt
    throttle(dt)
    return dt * (active + board.idleWatts)
  }

  // MARK: What takes speed away

  private mutating func throttle(_ dt: Double) {
    sinceThrottle += dt
    switch board.throttle {
    case .proportional:
      guard sinceThrottle >= 0.1 - 1e-9 else { return }
      sinceThrottle = 0
      for (index, cluster) in board.clusters.enumerated() {
        let share = min(1, max(0, (die - board.passiveTrip) / 5))
        allowed[index] = Int((Double(cluster.points.count - 1) * (1 - share)).rounded())
      }
    case .stepWise(let period):
      guard sinceThrottle >= period - 1e-9 else { return }
      sinceThrottle = 0
      let sensed = stepped(die)
      for index in allowed.indices {
        // Weaker clusters lie apart, some degrees cooler.
        let trip = board.passiveTrip + (index > 0 ? 3 : 0)
        if sensed >= trip && sensed > lastSensed { allowed[index] = max(0, allowed[index] - 1) }
        if sensed < trip - board.hysteresis && sensed < lastSensed {
          allowed[index] = min(board.clusters[index].points.count - 1, allowed[index] + 1)
        }
      }
      lastSensed = sensed
    }
  }

  private func stepped(_ degrees: Double) -> Double { (degrees / board.sensorStep).rounded(.down) * board.sensorStep }

  /// What sensors say now.
  public mutating func readings() -> PowerReadings {
    var readings = PowerReadings()
    let wavering = noiseDegrees * (Double(noise.next() >> 11) / Double(1 << 53) * 2 - 1)
    let firmwareTrips = board.throttle.isFirmware
    readings.zones = [
      .init(
        number: 0, type: board.zone, temperature: Int((stepped(die + wavering) * 1000).rounded()),
        passiveTrip: Int(board.passiveTrip * 1000), criticalTrip: Int(board.criticalTrip * 1000),
        hysteresis: Int(board.hysteresis * 1000))
    ]
    for (index, cluster) in board.clusters.enumerated() {
      let most = cluster.points.count - 1
      readings.clusters.append(
        .init(
          cores: cluster.cores, capacity: cluster.capacity, frequencyMax: Int(cluster.points[most].megahertz * 1000),
          frequencyCap: firmwareTrips ? nil : Int(megahertz(index) * 1000)))
      if !firmwareTrips {
        readings.coolingDevices.append(
          .init(number: index, type: "cpufreq-cpu\(cluster.cores[0])", state: most - allowed[index], stateMax: most))
      }
    }
    if firmwareTrips {
      readings.firmware.isCapped = die >= board.passiveTrip
      readings.firmware.isThrottled = die >= board.passiveTrip + 5
    }
    return readings
  }
}

extension Board {
  /// What the die takes with so many busy cores of each cluster at these operating points. A core that waits takes some 60 % of
  /// one that computes (estimated).
  func dieWatts(busy: [Double], computing: Double, points: [Int], celsius: Double) -> Double {
    var watts = 0.0
    var volts = 0.0
    for (index, cluster) in clusters.enumerated() {
      let point = cluster.points[points[index]]
      let activity = computing + 0.6 * (1 - computing)
      watts += busy[index] * activity * cluster.coefficient * point.megahertz / 1000 * point.volts * point.volts
      volts = max(volts, point.volts)
    }
    return watts + leakageWatts * volts * exp2((celsius - 60) / leakageDoubling)
  }
}

extension Board.Throttle {
  /// Whether firmware throttles behind the kernel's back.
  var isFirmware: Bool {
    if case .proportional = self { return true }
    return false
  }
}
