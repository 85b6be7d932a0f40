import Protocols

extension ModelRepository {
  /// The answer to `POST /v2/repository/index`: every version that there is, or every one that is ready.
  func index(isReadyOnly: Bool) -> RepositoryIndex {
    var rows: [RepositoryIndexEntry] = []
    rows.reserveCapacity(entries.reduce(0) { $0 + max(1, $1.versions.count) })
    forEachRow(isReadyOnly) { rows.append($0) }
    return RepositoryIndex(entries: rows)
  }

  /// A bound on the bytes of that answer, as text and as rows, of which each exists only in passing here.
  func indexBytesMax(isReadyOnly: Bool) -> Int {
    var byteCount = 2
    let stride = MemoryLayout<RepositoryIndexEntry>.stride + 96  // and what its strings take beside their bytes
    forEachRow(isReadyOnly) { byteCount += $0.jsonBytesMax + stride + $0.reason.utf8.count }
    return byteCount
  }

  private func forEachRow(_ isReadyOnly: Bool, _ body: (RepositoryIndexEntry) -> Void) {
    for entry in entries {
      for version in entry.versions where version.isReady || !isReadyOnly {
        body(row(entry, version))
      }
      if entry.versions.isEmpty, !isReadyOnly {
        let reason = (entry.failure ?? .noVersion(model: entry.name)).message
        body(.init(name: entry.name, state: entry.pendingLoads > 0 ? .loading : .unavailable, reason: reason))
      }
    }
  }

  private func row(_ entry: Entry, _ version: Version) -> RepositoryIndexEntry {
    let number = "\(version.number)"
    if version.isReady, let model = version.model {
      let reason =
        entry.traffic?.isRolledBack(version.number) == true
        ? "rolled back: answers only requests that name it"
        : model.residency.state == .asleep ? "asleep: comes back at the next request" : ""
      return .init(name: entry.name, version: number, state: .ready, reason: version.failure?.message ?? reason)
    }
    if entry.pendingLoads > 0 { return .init(name: entry.name, version: number, state: .loading) }
    let failure = version.model?.fileFault.reported ?? version.failure ?? entry.failure
    return .init(
      name: entry.name, version: number, state: .unavailable, reason: failure?.message ?? version.reason)
  }
}
