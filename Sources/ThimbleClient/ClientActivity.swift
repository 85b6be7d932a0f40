import Protocols

/// What the daemon does: `GET /v2/thimble/activity`. Counts are since its start.
public struct ClientActivity: Equatable, Sendable {
  /// A version that can be asked.
  public struct Model: Equatable, Sendable {
    public var name: String
    public var version: String
    /// loaded or asleep.
    public var state: String
    public var byteCount: Int
    public var pendingCount: Int
    public var successCount: Int
    public var failureCount: Int
    public var inferenceCount: Int
    /// Of the last seconds; nil where nobody has asked or the daemon has just begun to look.
    public var medianNanoseconds: Int?
    public var p99Nanoseconds: Int?
  }

  /// What heat and battery allow.
  public struct Governor: Equatable, Sendable {
    public var state: String
    public var threadCount: Int
    public var dutyPercent: Int
    public var profile: String
    public var reason: String
  }

  public var models: [Model]
  /// On the daemon's clock.
  public var timeNanoseconds: Int
  public var uptimeSeconds: Int
  public var threadCount: Int
  public var connectionCount: Int
  public var queuedCount: Int
  /// Of the memory pressure ladder.
  public var rung: String
  public var budgetByteCount: Int
  public var reservedByteCount: Int
  public var peakResidentByteCount: Int
  public var governor: Governor?

  init(_ document: JSON) throws(ClientError) {
    guard let time = document["time_ns"]?.int, let models = document["models"]?.array else {
      throw .unexpected("no activity")
    }
    func count(_ value: JSON?) -> Int { Int(value?.int ?? 0) }
    self.models = models.map { entry in
      Model(
        name: entry["name"]?.string ?? "", version: entry["version"]?.string ?? "", state: entry["state"]?.string ?? "",
        byteCount: count(entry["bytes"]), pendingCount: count(entry["pending_requests"]),
        successCount: count(entry["successes"]), failureCount: count(entry["failures"]),
        inferenceCount: count(entry["inferences"]), medianNanoseconds: entry["p50_ns"]?.int.map { Int($0) },
        p99Nanoseconds: entry["p99_ns"]?.int.map { Int($0) })
    }
    timeNanoseconds = Int(time)
    uptimeSeconds = count(document["uptime_seconds"])
    threadCount = count(document["threads"])
    connectionCount = count(document["connections"])
    queuedCount = count(document["queued_requests"])
    rung = document["rung"]?.string ?? ""
    budgetByteCount = count(document["budget_bytes"])
    reservedByteCount = count(document["reserved_bytes"])
    peakResidentByteCount = count(document["peak_resident_bytes"])
    governor = document["governor"].map { entry in
      Governor(
        state: entry["state"]?.string ?? "", threadCount: count(entry["threads"]),
        dutyPercent: count(entry["duty_percent"]), profile: entry["profile"]?.string ?? "",
        reason: entry["reason"]?.string ?? "")
    }
  }
}

extension ClientActivity.Model {
  /// Requests a second since `earlier`; nil where that is of another start or has no such version.
  public func requestsPerSecond(since earlier: ClientActivity, until now: ClientActivity) -> Double? {
    let elapsed = now.timeNanoseconds - earlier.timeNanoseconds
    guard elapsed > 0, let before = earlier.models.first(where: { $0.name == name && $0.version == version }) else {
      return nil
    }
    let count = successCount + failureCount - before.successCount - before.failureCount
    return count >= 0 ? Double(count) * 1e9 / Double(elapsed) : nil
  }
}
