import Memory
import Protocols
import System

extension ModelLoader {
  /// Makes an ensemble of models that are loaded; its only version is 1. `byteCount`: what its configuration takes.
  /// Errors: a model that is not loaded; what is wrong with the configuration.
  func load(
    _ name: String, _ ensemble: EnsembleConfiguration, _ configuration: ModelConfiguration, byteCount: Int
  ) throws(ServingError) -> Outcome {
    let held = try residents.reserve(
      byteCount + LoadedModel.labelsByteCount(configuration.labels), for: .metadata, holding: 0)
    let bound: Ensemble
    do throws(EnsembleBinding.Problem) {
      bound = try EnsembleBinding.ensemble(name, ensemble) { residents.loadedModel($0, version: $1) }
    } catch {
      switch error {
      case .member(let member): throw .memberUnavailable(model: name, member: member)
      case .configuration(let key, let reason):
        throw .configuration(path: directory.configurationFile(of: name), reason: "\(key): \(reason)")
      }
    }
    let folder: File
    do { folder = try directory.open(directory.path + "/" + name) } catch { throw .repository(error) }
    let status: FileStatus
    do { status = try folder.status() } catch { throw .repository(error) }
    let model = LoadedModel(
      name: name, configuration: configuration, ensemble: bound, folder: folder, identity: FileIdentity(status),
      describing: [held])
    residents.add(model)
    return Outcome(version: model.version, result: .success(model))
  }
}
