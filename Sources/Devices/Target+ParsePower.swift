import Protocols

extension Target {
  /// Clusters of a target, and processors of a cluster.
  private static let clusterCountMax = 16
  private static let processors = 0...4095
  private static let temperatures = 1...250_000
  private static let milliwatts = 0...10_000_000

  static func power(_ json: JSON, _ reader: TargetReader) throws(TargetError) -> Power {
    var power = Power()
    power.profile = try reader.text(json, "profile")
    power.idleMilliwatts = try reader.number(json, "idle_milliwatts", in: milliwatts)
    power.throttleFile = try reader.text(json, "throttle_file")
    for cluster in try reader.objects(json, "clusters", countMax: clusterCountMax) {
      let capacity = try reader.number(cluster, "capacity", in: 1...1024) ?? 1024
      let place = power.clusters.firstIndex { $0.capacity < capacity } ?? power.clusters.count
      power.clusters.insert(
        Cluster(
          cores: try reader.numbers(cluster, "cores", in: processors), capacity: capacity,
          frequencyMax: try reader.number(cluster, "frequency_max_khz", in: 1...100_000_000),
          activeMilliwatts: try reader.number(cluster, "active_milliwatts", in: milliwatts)), at: place)
    }
    if let trips = json["trips"], trips != .null {
      try reader.requireObject(trips, "trips")
      power.trips = Trips(
        zones: try reader.texts(trips, "zones"),
        passive: try reader.required(try reader.number(trips, "passive", in: temperatures), "passive"),
        hot: try reader.number(trips, "hot", in: temperatures),
        critical: try reader.number(trips, "critical", in: temperatures),
        hysteresis: try reader.number(trips, "hysteresis", in: 0...100_000) ?? 0)
    }
    return power
  }
}
