import Protocols

/// What the daemon says of its memory: `GET /v2/thimble/models`.
public struct ClientResidents: Equatable, Sendable {
  /// One version of a model.
  public struct Model: Equatable, Sendable {
    public var name: String
    /// Empty where the model has none.
    public var version: String
    /// loaded, asleep, loading, unloaded or failed.
    public var state: String
    public var reason: String
    /// Bytes of the budget that it holds whatever its cache, and its cache now and at most.
    public var floorByteCount: Int
    public var cacheByteCount: Int
    public var cacheByteCountMax: Int
    public var requestCount: Int
    /// Nil where it is neither loaded nor asleep.
    public var idleSeconds: Double?
    public var score: Double?
  }

  public var models: [Model]
  /// How far down the memory pressure ladder: its name, and 0 for not at all.
  public var rung: String
  public var rungLevel: Int
  public var budgetByteCount: Int
  public var reservedByteCount: Int
  public var cacheByteCount: Int
  public var sleepCount: Int
  public var wakeCount: Int

  init(_ document: JSON) throws(ClientError) {
    guard let memory = document["memory"], let budget = memory["budget_bytes"]?.int,
      let reserved = memory["reserved_bytes"]?.int
    else { throw .unexpected("no memory budget") }
    func count(_ value: JSON?) -> Int { Int(value?.int ?? 0) }
    models = (document["models"]?.array ?? []).map { entry in
      Model(
        name: entry["name"]?.string ?? "", version: entry["version"]?.string ?? "",
        state: entry["state"]?.string ?? "", reason: entry["reason"]?.string ?? "",
        floorByteCount: count(entry["floor_bytes"]), cacheByteCount: count(entry["cache_bytes"]),
        cacheByteCountMax: count(entry["cache_bytes_max"]), requestCount: count(entry["requests"]),
        idleSeconds: entry["idle_seconds"]?.double, score: entry["score"]?.double)
    }
    rung = document["rung"]?.string ?? ""
    rungLevel = count(document["rung_level"])
    budgetByteCount = Int(budget)
    reservedByteCount = Int(reserved)
    cacheByteCount = count(memory["cache_bytes"])
    sleepCount = count(document["sleeps"])
    wakeCount = count(document["wakes"])
  }
}
