import Memory
import Protocols

/// `GET /v2/thimble/models`: what each model holds of the budget, and what the budget and the ladder say.
struct ResidentsDocument: JSONWritable {
  struct Row {
    enum State: String {
      /// In memory.
      case loaded
      /// Given back; comes back at the next request.
      case asleep
      case loading
      /// Comes back when it is loaded.
      case unloaded
      case failed
    }

    let name: String
    /// Nil where the model has none.
    let version: Int?
    let state: State
    var reason = ""
    /// What it keeps even asleep: labels.
    var describingByteCount = 0
    var residency: LoadedModel.Residency?
    var requestCount = 0
  }

  let repository: ModelRepository
  let budget: MemoryBudget
  let rung: PressureLadder.Rung
  let counts: ModelResidents.Counts
  let cacheByteCount: Int
  let nowNanoseconds: Int64
  let requestCount: (LoadedModel) -> Int

  func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("models")
    writer.beginArray()
    forEachRow { write($0, to: &writer) }
    writer.endArray()
    writer.member("rung", rung.name)
    writer.member("rung_level", rung.rawValue)
    writer.member("sleeps", counts.sleeps)
    writer.member("wakes", counts.wakes)
    writer.member("cache_resizes", counts.resizes)
    writeMemory(&writer)
    writer.endObject()
  }

  private func write(_ row: Row, to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("name", row.name)
    if let version = row.version { writer.member("version", "\(version)") }
    writer.member("state", row.state.rawValue)
    if !row.reason.isEmpty { writer.member("reason", row.reason) }
    writer.member("floor_bytes", (row.residency?.floorByteCount ?? 0) + row.describingByteCount)
    writer.member("cache_bytes", row.residency?.cacheByteCount ?? 0)
    writer.member("cache_bytes_max", row.residency?.cacheByteCountMax ?? 0)
    writer.member("requests", row.requestCount)
    if let residency = row.residency {
      writer.member("pending_requests", residency.pendingCount)
      // Milliseconds and thousandths: more would say nothing.
      writer.key("idle_seconds")
      writer.double(Double(max(0, nowNanoseconds - residency.lastUsedNanoseconds) / 1_000_000) / 1000)
      writer.key("score")
      writer.double(Double(Int64(min(residency.score.value(at: nowNanoseconds), 1e12) * 1000)) / 1000)
    }
    writer.endObject()
  }

  private func writeMemory(_ writer: inout JSONWriter) {
    writer.key("memory")
    writer.beginObject()
    writer.member("budget_bytes", budget.limitByteCount)
    writer.member("reserved_bytes", budget.reservedByteCount)
    writer.member("peak_reserved_bytes", budget.peakReservedByteCount)
    writer.member("available_bytes", budget.availableByteCount)
    writer.member("cache_bytes", cacheByteCount)
    writer.key("reserved_by_purpose")
    writer.beginObject()
    for purpose in MemoryBudget.Purpose.allCases {
      writer.member(purpose.name, budget.reservedByteCount(for: purpose))
    }
    writer.endObject()
    writer.endObject()
  }
}

extension ResidentsDocument.Row {
  fileprivate var jsonBytesMax: Int { 384 + name.jsonByteCount + reason.jsonByteCount }
}

extension ResidentsDocument {
  var jsonBytesMax: Int {
    var byteCount = 1024
    forEachRow { byteCount += $0.jsonBytesMax }
    return byteCount
  }

  /// Rows exist one at a time: there may be very many.
  private func forEachRow(_ body: (Row) -> Void) {
    for entry in repository.entries {
      for version in entry.versions { body(row(entry, version)) }
      if entry.versions.isEmpty {
        let reason = (entry.failure ?? .noVersion(model: entry.name)).message
        body(Row(name: entry.name, version: nil, state: entry.pendingLoads > 0 ? .loading : .failed, reason: reason))
      }
    }
  }

  private func row(_ entry: ModelRepository.Entry, _ version: ModelRepository.Version) -> Row {
    guard let model = version.model else {
      if entry.pendingLoads > 0 { return Row(name: entry.name, version: version.number, state: .loading) }
      let failure = version.failure ?? entry.failure
      return Row(
        name: entry.name, version: version.number, state: failure == nil ? .unloaded : .failed,
        reason: failure?.message ?? version.reason)
    }
    let residency = model.residency
    return Row(
      name: entry.name, version: version.number, state: residency.state == .awake ? .loaded : .asleep,
      reason: version.failure?.message ?? "", describingByteCount: model.describingByteCount, residency: residency,
      requestCount: requestCount(model))
  }
}
