import Protocols

extension Server {
  /// Errors: a model that the ensemble passes through is not loaded, or fails.
  func checkMembers(of model: LoadedModel) throws(ServingError) {
    guard let ensemble = model.ensemble else { return }
    for step in ensemble.steps {
      guard let member = residents.loadedModel(step.modelName, version: step.version),
        member.residency.state != .retired
      else { throw .memberUnavailable(model: model.name, member: step.modelName) }
      do { try member.checkReadiness() } catch { throw .member(member.name, error) }
    }
  }

  /// Loads the ensembles that failed only for want of a model which has been loaded now.
  func loadWaitingEnsembles(for member: String) {
    for entry in repository.entries where repository.waitsForMember(entry.name) == member {
      reload(entry.name)
    }
  }
}

extension ModelRepository {
  /// The model for want of which an ensemble could not be loaded.
  func waitsForMember(_ name: String) -> String? {
    guard let entry = entries.first(where: { $0.name == name }), entry.pendingLoads == 0,
      case .memberUnavailable(_, let member)? = entry.failure
    else { return nil }
    return member
  }
}
