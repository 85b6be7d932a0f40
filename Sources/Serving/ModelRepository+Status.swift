import Protocols

extension ModelRepository {
  /// What TensorFlow Serving says of a model's versions, or of one. Errors: unknown.
  func status(_ reference: ModelReference) throws(ServingError) -> ModelStatus {
    guard let entry = entries.first(where: { $0.name == reference.name }) else { throw .unknownModel(reference.name) }
    var versions = entry.versions
    if let wanted = reference.version {
      versions.removeAll { $0.number != entry.number(of: wanted) }
      guard !versions.isEmpty else { throw .unknownVersion(model: entry.name, version: wanted) }
    }
    return ModelStatus(
      versions: versions.reversed().map {
        let state = $0.isReady ? "AVAILABLE" : entry.pendingLoads > 0 ? "LOADING" : "END"
        let failure = $0.model?.fileFault.reported ?? $0.failure ?? entry.failure
        return .init(number: "\($0.number)", state: state, message: failure?.message ?? "")
      })
  }
}
