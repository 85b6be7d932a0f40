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
  private var result: Result<[ModelLoader.Outcome], ServingError>?

  init(
    connection: UInt64, name: String, loader: ModelLoader, configuration: String?, configurationMemory: HeldMemory?,
    current: [LoadedModel]
  ) {
    self.name = name
    self.loader = loader
    self.configuration = configuration
    self.configurationMemory = configurationMemory
    self.current = current
    super.init(connection: connection)
  }

  override func run() {
    do throws(ServingError) {
      result = .success(try loader.load(name, configuration: configuration, current: current))
    } catch {
      result = .failure(error)
    }
    (current, configuration, configurationMemory) = ([], nil, nil)
  }

  override func finish(_ server: Server) -> Answer {
    guard let result else { return Answer(.stopping) }
    self.result = nil
    let failure = server.repository.finishLoad(name, result)
    server.log.load(name, server.repository, failure: failure)
    return failure.map { Answer($0) } ?? .empty
  }
}

/// Drops the last references to a model's versions once every request before it is done.
final class UnloadJob: QueuedJob, @unchecked Sendable {
  private let name: String
  private var models: [LoadedModel]

  init(connection: UInt64, name: String, models: [LoadedModel]) {
    self.name = name
    self.models = models
    super.init(connection: connection)
  }

  override func run() { models = [] }

  override func finish(_ server: Server) -> Answer {
    server.log.line("model \(name) unloaded; \(server.log.budget(server.budget))")
    return .empty
  }
}
