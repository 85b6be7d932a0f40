import Memory
import Protocols
import Runtime
import System

/// Reads models of a repository into memory. Used by one thread at a time: the worker, or the main thread at start.
struct ModelLoader: Sendable {
  let directory: ModelDirectory
  let kernels: Kernels
  let pool: ThreadPool
  let budget: MemoryBudget

  /// What came of one version.
  struct Outcome: Sendable {
    let version: Int
    let result: Result<LoadedModel, ServingError>
  }

  /// Loads the versions that the configuration selects. `current` are those loaded already: an unchanged one is kept.
  /// `configuration` replaces the repository's. Errors: what keeps every version from loading.
  func load(
    _ name: String, configuration text: String?, current: [LoadedModel]
  ) throws(ServingError) -> [Outcome] {
    let configuration = try configuration(of: name, replacedBy: text)
    let versions = try configuration.selected(of: directory.versions(of: name), model: name)
    var outcomes: [Outcome] = []
    for version in versions {
      do throws(ServingError) {
        let model = try load(name, version, configuration, current: current.first { $0.version == version })
        outcomes.append(Outcome(version: version, result: .success(model)))
      } catch {
        outcomes.append(Outcome(version: version, result: .failure(error)))
      }
    }
    return outcomes
  }

  private func load(
    _ name: String, _ version: Int, _ configuration: ModelConfiguration, current: LoadedModel?
  ) throws(ServingError) -> LoadedModel {
    let path = directory.file(of: name, version: version)
    if let current, current.configuration == configuration,
      let identity = try? LoadedModel.FileIdentity(path: path), identity == current.file
    {
      return current
    }
    return try LoadedModel(
      name: name, version: version, path: path, configuration: configuration, kernels: kernels, pool: pool,
      budget: budget)
  }

  private func configuration(of name: String, replacedBy text: String?) throws(ServingError) -> ModelConfiguration {
    if let text {
      do throws(ServingError) { return try parse(Array(text.utf8), path: "") } catch {
        // The client's mistake, not the repository's.
        guard case .configuration(_, let reason) = error else { throw error }
        throw .malformed(.fieldInvalid(field: "config", expected: "a model's configuration: \(reason)"))
      }
    }
    let path = directory.configurationFile(of: name)
    let bytes: [UInt8]
    do { bytes = try File.bytes(of: path, limit: ServingLimits.configurationBytesMax) } catch {
      if error.isNotFound { return ModelConfiguration() }
      throw .configuration(path: path, reason: error.message)
    }
    return try parse(bytes, path: path)
  }

  private func parse(_ bytes: [UInt8], path: String) throws(ServingError) -> ModelConfiguration {
    // Labels are copied out of the text; a tree of the small rest takes less.
    let working: MemoryBudget.Reservation
    do { working = try budget.reserve(4 * bytes.count, for: .buffers) } catch { throw .memory(error) }
    let result = bytes.withUnsafeBytes { raw -> Result<ModelConfiguration, ProtocolError> in
      do throws(ProtocolError) { return .success(try ModelConfiguration(parsing: raw)) } catch {
        return .failure(error)
      }
    }
    _ = consume working
    switch result {
    case .success(let configuration): return configuration
    case .failure(let error): throw .configuration(path: path, reason: error.message)
    }
  }
}
