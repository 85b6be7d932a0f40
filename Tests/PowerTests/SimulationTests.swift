import Power
import PowerSimulation
import TestSupport
import Testing

/// Thirty simulated minutes at full load on boards that get too hot for it.
@Suite struct SimulationTests {
  /// The kernel or the firmware never has to step in.
  @Test(arguments: Board.known) func theTripIsNeverReached(_ board: Board) {
    for network in [Network.convolutional, .streaming] {
      for profile in PowerProfile.standard {
        let result = Simulation(board, network, .governor(profile))
        #expect(
          result.secondsAboveTrip == 0 && result.celsiusMax < board.passiveTrip, "\(network.name) \(profile.name)")
        #expect(result.stateChangeCount <= 4, "\(network.name) \(profile.name): \(result.reasons)")
        #expect(result.runCount > 0)
      }
    }
  }

  /// Without it they do: the boards are ones where heat matters.
  @Test func boardsAreTooHotForAllCores() {
    for board in [Board.raspberryPi4, .raspberryPi5, .rk3588] {
      #expect(Simulation(board, .convolutional, .allCores(sharesEvenly: false)).secondsAboveTrip > 60, "\(board.name)")
    }
  }

  /// Where memory sets the pace, fewer threads do as much for less.
  @Test(arguments: Board.known)
  func fewerThreadsDoAsMuchForLess(_ board: Board) {
    let all = Simulation(board, .streaming, .allCores(sharesEvenly: false))
    let governed = Simulation(board, .streaming, .governor(.performance))
    #expect(governed.runCount >= 0.999 * all.runCount && governed.joules <= 0.85 * all.joules)
  }

  /// Where more threads help, nothing can: however clocks, threads and pauses are chosen, the work that all cores do until they
  /// are throttled takes about as much, since throttled cores are frugal ones.
  @Test(arguments: Board.known) func theKernelsThrottlingIsFrugal(_ board: Board) throws {
    let all = Simulation(board, .convolutional, .allCores(sharesEvenly: false))
    let least = try #require(Frontier(board, .convolutional).leastWatts(forRunsPerSecond: all.sustainedRate))
    let late = all.samples.suffix(600)
    let watts = late.reduce(0) { $0 + $1.watts } / Double(late.count)
    #expect(least / watts > 0.95 && least / watts < 1.05, "\(least) of \(watts) W")
  }

  /// A stream at four fifths of what the warm board keeps up answers as fast after half an hour as in the first minute.
  @Test(arguments: Board.known) func streamsStayLevel(_ board: Board) {
    // A detector, some eight times the work of a classifier.
    var network = Network.convolutional
    network.operationCount *= 8
    network.memoryBytes *= 8
    let sustained = Simulation(board, network, .governor(.balanced)).sustainedRate
    let stream = StreamSimulation(
      board, network, .governor(.balanced), rate: Comparison.streamShare * sustained)
    #expect(stream.growth <= 1.1 && stream.secondsAboveTrip == 0, "\(board.name): \(stream.growth)")
  }

  /// What the files say is what the board's sensors say.
  @Test(arguments: Board.known) func sensorsReadTheTree(_ board: Board) throws {
    let folder = try TemporaryFolder()
    var live = LiveTree(board, path: folder.path, load: nil, speed: 1)
    try live.start()
    let sensors = PowerSensors(root: folder.path, usableProcessors: Array(0..<board.coreCount))
    for minute in 0..<15 {
      try live.advance(seconds: 60, busyCores: Double(board.coreCount))
      let readings = sensors.read(nowNanoseconds: Int64(minute) * 60_000_000_000)
      #expect(readings.zones.count == 1 && readings.zones[0].passiveTrip == Int(board.passiveTrip * 1000))
      let celsius = Double(try #require(readings.zones[0].temperature)) / 1000
      #expect(abs(celsius - live.state.die) < 2)
      #expect(readings.clusters.map { $0.cores } == board.clusters.map { $0.cores })
      #expect(readings.firmware.isCapped == (board.throttle == .proportional && live.state.die >= board.passiveTrip))
    }
    // All cores for a quarter of an hour.
    #expect(live.state.die > board.passiveTrip - 10)
  }
}
