import Power

extension Target {
  /// What is known of a kind of device's heat and power; the kernel's word counts where it has one.
  public struct Power: Equatable, Sendable {
    /// The profile where nobody names one.
    public var profile: String?
    /// The strongest first.
    public var clusters: [Cluster] = []
    /// What the board takes while nothing runs.
    public var idleMilliwatts: Int?
    public var trips: Trips?
    /// A file of the firmware's with Raspberry Pi's bits; nil: where they usually are.
    public var throttleFile: String?

    public init() {}
  }

  /// Processors of one kind.
  public struct Cluster: Equatable, Sendable {
    public var cores: [Int]
    /// 1,024: the strongest.
    public var capacity: Int
    /// In kilohertz.
    public var frequencyMax: Int?
    /// What one busy core adds at that frequency.
    public var activeMilliwatts: Int?

    public init(cores: [Int], capacity: Int = 1024, frequencyMax: Int? = nil, activeMilliwatts: Int? = nil) {
      self.cores = cores
      self.capacity = capacity
      self.frequencyMax = frequencyMax
      self.activeMilliwatts = activeMilliwatts
    }
  }

  /// Where speed is taken away, in thousandths of a degree, for zones whose trips the kernel does not name.
  public struct Trips: Equatable, Sendable {
    /// Beginnings of the types of those zones.
    public var zones: [String]
    public var passive: Int
    public var hot: Int?
    public var critical: Int?
    public var hysteresis: Int

    public init(zones: [String], passive: Int, hot: Int? = nil, critical: Int? = nil, hysteresis: Int = 0) {
      self.zones = zones
      self.passive = passive
      self.hot = hot
      self.critical = critical
      self.hysteresis = hysteresis
    }
  }
}

extension Target.Power {
  /// Puts in what the kernel has not said: trips, and clusters where it knows neither capacities nor clocks.
  public func complete(_ readings: inout PowerReadings) {
    if let trips {
      for index in readings.zones.indices where readings.zones[index].passiveTrip == nil {
        let type = readings.zones[index].type
        guard trips.zones.contains(where: { type.utf8.starts(with: $0.utf8) }) else { continue }
        readings.zones[index].passiveTrip = trips.passive
        readings.zones[index].hysteresis = trips.hysteresis
        readings.zones[index].hotTrip = readings.zones[index].hotTrip ?? trips.hot
        readings.zones[index].criticalTrip = readings.zones[index].criticalTrip ?? trips.critical
      }
    }
    guard clusters.count > 1, readings.clusters.count == 1, readings.clusters[0].frequencyMax == nil else { return }
    let found = readings.clusters[0].cores
    let known = clusters.map { cluster in
      PowerReadings.ProcessorCluster(
        cores: cluster.cores.filter { found.contains($0) }.sorted(), capacity: cluster.capacity)
    }.filter { !$0.cores.isEmpty }
    // A machine with other processors is another machine.
    if known.reduce(0, { $0 + $1.cores.count }) == found.count { readings.clusters = known }
  }

  /// What these processors add to the board's power while they are busy, at full frequency; nil where one is not known.
  public func activeMilliwatts(of processors: [Int]) -> Int? {
    var sum = 0
    for processor in processors {
      guard let milliwatts = clusters.first(where: { $0.cores.contains(processor) })?.activeMilliwatts else {
        return nil
      }
      sum += milliwatts
    }
    return sum
  }
}
