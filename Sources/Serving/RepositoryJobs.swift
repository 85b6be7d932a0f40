import Protocols
import System

/// Loads a model, away from the event loop.
final class LoadJob: QueuedJob, @unchecked Sendable {
  private let name: String
  private let loader: ModelLoader
  private var configuration: String?
  /// The reservation of the configuration's text, which waits with the job.
  private var configurationMemory: HeldMemory?
  private var current: [LoadedModel]
  /// The model's unloads before it was submitted.
  private let unloadCount: Int
  private var result: Result<ModelLoader.Loaded, ServingError>?

  init(
    connection: UInt64, name: String, loader: ModelLoader, configuration: String?, configurationMemory: HeldMemory?,
    entry: ModelRepository.Entry
  ) {
    self.name = name
    self.loader = loader
    self.configuration = configuration
    self.configurationMemory = configurationMemory
    current = entry.loaded.filter { $0.fileFault.reported == nil }
    unloadCount = entry.unloadCount
    super.init(connection: connection)
  }

  override func run() {
    do throws(ServingError) {
      result = .success(
        try loader.load(
          name, configuration: configuration, current: current, holding: configurationMemory?.byteCount ?? 0))
    } catch {
      result = .failure(error)
    }
    (current, configuration, configurationMemory) = ([], nil, nil)
  }

  override func finish(_ server: Server) -> Answer {
    guard let result else { return Answer(.stopping) }
    self.result = nil
    guard server.repository.unloadCount(name) == unloadCount else {
      // Unloaded meanwhile: nothing of it serves.
      server.repository.endLoad(name)
      if case .success(let loaded) = result { server.retire(loaded.models, name) }
      return Answer(.modelUnavailable(model: name, reason: "unloaded"))
    }
    let before = server.repository.loaded(name)
    let failure = server.repository.finishLoad(name, result)
    server.retire(before, name)
    server.log.load(name, server.repository, failure: failure)
    if failure == nil { server.loadWaitingEnsembles(for: name) }
    server.retryLater(name, failure, isWanted: connection == 0)
    return failure.map { Answer($0) } ?? .empty
  }
}

/// Says what a model would take. To read its file takes memory, so it has its turn like a load.
final class PlanJob: QueuedJob, @unchecked Sendable {
  private let request: PlanRequest
  private let loader: ModelLoader
  private let loaded: [Int]
  private var answer: Answer?

  init(connection: UInt64, request: PlanRequest, loader: ModelLoader, loaded: [Int]) {
    self.request = request
    self.loader = loader
    self.loaded = loaded
    super.init(connection: connection)
  }

  override func run() {
    do throws(ServingError) { answer = try loader.plan(request, loaded: loaded) } catch { answer = Answer(error) }
  }

  override func finish(_ server: Server) -> Answer {
    defer { answer = nil }
    return answer ?? Answer(.stopping)
  }
}

/// Drops the last references to a model's versions once every request before it is done.
final class UnloadJob: QueuedJob, @unchecked Sendable {
  private let name: String
  private var models: [LoadedModel]
  private let residents: ModelResidents

  init(connection: UInt64, name: String, models: [LoadedModel], residents: ModelResidents) {
    self.name = name
    self.residents = residents
    self.models = models
    super.init(connection: connection)
  }

  override var runsAfterAll: Bool { true }

  override func run() {
    for model in models { residents.retire(model) }
    models = []
  }

  override func finish(_ server: Server) -> Answer {
    server.repository.dropRetired(name)
    server.log.line(
      "model \(name) unloaded; \(server.log.budget(server.budget))", of: Log.Subject(model: name))
    return .empty
  }
}
