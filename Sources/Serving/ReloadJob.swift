import Devices

/// Reads the configurations of loaded models again, and loads those anew of which one has changed. Nothing of it counts before
/// everything has succeeded.
final class ReloadJob: QueuedJob, @unchecked Sendable {
  /// A model as it was when the job was made.
  private struct Part {
    let name: String
    var current: [LoadedModel]
    /// Versions that could not be loaded before either.
    let failed: [Int]
    let selection: VersionSelection?
    /// Nil: its configuration is the same.
    var loaded: ModelLoader.Loaded?

    /// Models that the job has made.
    var made: [LoadedModel] {
      (loaded?.models ?? []).filter { model in !current.contains { $0 === model } }
    }
  }

  private var parts: [Part]
  private let loader: ModelLoader
  private var failure: ServingError?

  init(_ entries: [ModelRepository.Entry], loader: ModelLoader) {
    self.loader = loader
    parts = entries.map { entry in
      Part(
        name: entry.name, current: entry.loaded,
        failed: entry.versions.filter { $0.failure != nil && $0.model == nil }.map { $0.number },
        selection: entry.selection)
    }
    super.init(connection: 0)
  }

  override func run() {
    do throws(ServingError) {
      for index in parts.indices {
        let part = parts[index]
        parts[index].loaded = try loader.reload(part.name, current: part.current, selection: part.selection)
        for outcome in parts[index].loaded?.outcomes ?? [] where !part.failed.contains(outcome.version) {
          _ = try outcome.result.get()
        }
      }
    } catch {
      failure = error
      for model in parts.flatMap({ $0.made }) { loader.residents.retire(model) }
      for index in parts.indices { parts[index].loaded = nil }
    }
  }

  override func finish(_ server: Server) -> Answer {
    var reason = failure?.message
    var policy = server.policy
    if reason == nil {
      do throws(ServingError) { policy = try server.readPolicy() } catch { reason = error.message }
    }
    if reason == nil, let power = server.power {
      do throws(TargetError) { try server.reloadProfiles(power) } catch { reason = error.message }
    }
    if reason == nil { server.policy = policy }
    for part in parts {
      // Somebody may have loaded or unloaded it meanwhile: that counts.
      let isAsItWas = server.repository.loaded(part.name).elementsEqual(part.current) { $0 === $1 }
      guard reason == nil, isAsItWas, let loaded = part.loaded else {
        server.repository.endLoad(part.name)
        server.retire(part.made, part.name)
        continue
      }
      let failure = server.repository.finishLoad(part.name, .success(loaded))
      server.retire(part.current, part.name)
      server.log.load(part.name, server.repository, failure: failure)
    }
    parts = []
    server.finishReloading(reason)
    return .empty
  }
}
