import Protocols

extension ModelRepository {
  /// The answer to `POST /v2/repository/index`: every version that there is, or every one that is ready.
  func index(isReadyOnly: Bool) -> RepositoryIndex {
    var rows: [RepositoryIndexEntry] = []
    for entry in entries {
      for version in entry.versions where version.model != nil || !isReadyOnly {
        rows.append(row(entry, version))
      }
      if entry.versions.isEmpty, !isReadyOnly {
        let reason = (entry.failure ?? .noVersion(model: entry.name)).message
        rows.append(.init(name: entry.name, state: entry.pendingLoads > 0 ? .loading : .unavailable, reason: reason))
      }
    }
    return RepositoryIndex(entries: rows)
  }

  private func row(_ entry: Entry, _ version: Version) -> RepositoryIndexEntry {
    let number = "\(version.number)"
    if version.model != nil {
      return .init(name: entry.name, version: number, state: .ready, reason: version.failure?.message ?? "")
    }
    if entry.pendingLoads > 0 { return .init(name: entry.name, version: number, state: .loading) }
    let failure = version.failure ?? entry.failure
    return .init(
      name: entry.name, version: number, state: .unavailable, reason: failure?.message ?? version.reason)
  }
}
