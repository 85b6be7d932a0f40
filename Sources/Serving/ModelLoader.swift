import Memory
import Protocols
import System

/// Reads models of a repository into memory. Used by one thread at a time: the worker, or the main thread at start.
struct ModelLoader: Sendable {
  let directory: ModelDirectory
  let residents: ModelResidents

  /// What came of one version.
  struct Outcome: Sendable {
    let version: Int
    let result: Result<LoadedModel, ServingError>
  }

  /// What came of a model.
  struct Loaded: Sendable {
    var outcomes: [Outcome] = []
    var selection = VersionSelection()

    var models: [LoadedModel] { outcomes.compactMap { try? $0.result.get() } }
  }

  /// Loads the versions that the configuration selects. `current` are those loaded already: an unchanged one is kept.
  /// `configuration` replaces the repository's; whoever brought it holds `holding` bytes. Errors: what keeps every version from
  /// loading.
  func load(
    _ name: String, configuration text: String?, current: [LoadedModel], holding: Int = 0
  ) throws(ServingError) -> Loaded {
    let (configuration, parsing) = try configuration(of: name, replacedBy: text, holding: holding)
    if let ensemble = configuration.ensemble {
      let outcome = try load(name, ensemble, configuration, byteCount: parsing)
      return Loaded(outcomes: [outcome], selection: configuration.selection)
    }
    // The request took as much again twice before the job had its turn.
    let claims = ModelClaims(configuration, parsingByteCount: max(parsing, 2 * holding), requestByteCount: holding)
    let versions = try configuration.selection.selected(of: try directory.versions(of: name), model: name)
    var loaded = Loaded(selection: configuration.selection)
    for version in versions {
      do throws(ServingError) {
        let model = try load(name, version, configuration, claims, current: current.first { $0.version == version })
        loaded.outcomes.append(Outcome(version: version, result: .success(model)))
      } catch {
        loaded.outcomes.append(Outcome(version: version, result: .failure(error)))
      }
    }
    return loaded
  }

  /// Loads a model anew if its configuration is not the one that `current` were loaded with; else nil.
  func reload(
    _ name: String, current: [LoadedModel], selection: VersionSelection?
  ) throws(ServingError) -> Loaded? {
    let (configuration, _) = try configuration(of: name, replacedBy: nil, holding: 0)
    guard configuration.selection != selection || !current.allSatisfy({ $0.configuration.isAlike(configuration) })
    else { return nil }
    return try load(name, configuration: nil, current: current)
  }

  private func load(
    _ name: String, _ version: Int, _ configuration: ModelConfiguration, _ claims: ModelClaims, current: LoadedModel?
  ) throws(ServingError) -> LoadedModel {
    let path = directory.file(of: name, version: version)
    if let current, current.fileFault.met == nil, current.residency.state != .retired,
      current.configuration.isAlike(configuration), let status = try? FileSystem.status(of: path),
      FileIdentity(status) == current.file
    {
      if current.tablePorts != nil {
        _ = try residents.wakeTable(current)
      } else {
        _ = try residents.wake(current, holding: claims.requestByteCount)
      }
      return current
    }
    var serving = configuration
    serving.warmup = []
    let model = try load(name: name, version: version, path: path, configuration: serving, claims: claims)
    do throws(ServingError) {
      try ModelWarmup(directory: directory, residents: residents).run(configuration.warmup, model)
    } catch {
      residents.retire(model)
      throw error
    }
    return model
  }

  /// Loads a version from a file. Errors: it is no regular file, no model, or does not fit.
  func load(
    name: String, version: Int, path: String, configuration: ModelConfiguration, claims: ModelClaims
  ) throws(ServingError) -> LoadedModel {
    // What is examined is what is opened: the path may name another file a moment later.
    let opened: File
    do { opened = try directory.open(path) } catch { throw .repository(error) }
    let status = try ModelLoader.regularStatus(of: opened)
    #if THIMBLE_SIGNATURES
      try checkSignature(opened, status, holding: claims.requestByteCount)
    #endif
    let model = try residents.load(
      name: name, version: version, configuration: configuration, file: opened, identity: FileIdentity(status),
      claims: claims)
    #if THIMBLE_SIGNATURES
      try keepSigned(model)
    #endif
    return model
  }

  /// The answer to `POST /v2/thimble/plan`; without a version for the highest that the configuration selects. `loaded` are the
  /// versions that hold memory for what describes them already.
  func plan(_ request: PlanRequest, loaded: [Int]) throws(ServingError) -> Answer {
    let name = request.model.name
    let (configuration, parsing) = try configuration(of: name, replacedBy: nil, holding: 0)
    let versions = try directory.versions(of: name)
    let version: Int
    if let wanted = request.model.version {
      guard let found = ModelDirectory.version(wanted), versions.contains(found) else {
        throw .unknownVersion(model: name, version: wanted)
      }
      version = found
    } else {
      guard let highest = try configuration.selection.selected(of: versions, model: name).last else {
        throw .noVersion(model: name)
      }
      version = highest
    }
    let file: File
    do { file = try directory.open(directory.file(of: name, version: version)) } catch { throw .repository(error) }
    let status = try ModelLoader.regularStatus(of: file)
    #if THIMBLE_SIGNATURES
      try checkSignature(file, status, holding: 0)
    #else
      _ = status
    #endif
    var claims = ModelClaims(configuration, parsingByteCount: parsing)
    if loaded.contains(version) { claims.hold() }
    return try residents.plan(
      file, name: name, version: version, claims: claims, budgetByteCount: request.memoryBudgetByteCount)
  }

  private static func regularStatus(of file: borrowing File) throws(ServingError) -> FileStatus {
    let status: FileStatus
    do { status = try file.status() } catch { throw .repository(error) }
    guard status.isRegular else { throw .notAFile(path: file.path) }
    return status
  }

  /// The configuration, and the bytes that it took to parse it.
  private func configuration(
    of name: String, replacedBy text: String?, holding: Int
  ) throws(ServingError) -> (ModelConfiguration, parsingByteCount: Int) {
    guard let text else { return try configuration(at: directory.configurationFile(of: name)) }
    let working = try reserve(text.utf8.count, for: "the configuration of \(name)", holding: holding)
    do throws(ProtocolError) {
      let configuration = try ModelLoader.parse(Array(text.utf8))
      return (configuration, working.byteCount)
    } catch {
      // The client's mistake, not the repository's.
      throw .malformed(.fieldInvalid(field: "config", expected: "a model's configuration: \(error.message)"))
    }
  }

  private func configuration(at path: String) throws(ServingError) -> (ModelConfiguration, parsingByteCount: Int) {
    let file: File
    do { file = try directory.open(path) } catch {
      if error.isNotFound { return (ModelConfiguration(), 0) }
      throw .configuration(path: path, reason: error.message)
    }
    let status: FileStatus
    do { status = try file.status() } catch { throw .configuration(path: path, reason: error.message) }
    guard status.isRegular else {
      throw .configuration(path: path, reason: "not a regular file: put the JSON text there")
    }
    let limit = ServingLimits.configurationBytesMax
    guard status.byteCount <= limit else {
      throw .configuration(path: path, reason: "\(status.byteCount) bytes, of at most \(limit)")
    }
    let working = try reserve(status.byteCount, for: path, holding: 0)
    let bytes: [UInt8]
    // A file that grows meanwhile is refused.
    do { bytes = try file.bytes(limit: status.byteCount) } catch {
      throw .configuration(path: path, reason: error.message)
    }
    do throws(ProtocolError) {
      let configuration = try ModelLoader.parse(bytes)
      return (configuration, working.byteCount)
    } catch {
      throw .configuration(path: path, reason: error.message)
    }
  }

  /// Memory for a configuration while it is parsed: its bytes, and the labels. A label of n bytes takes n + 3 of the text,
  /// 16 in the list, and n + 48 more where n is over 15: at most 16 / 3 times what it takes of the text.
  private func reserve(_ byteCount: Int, for what: String, holding: Int) throws(ServingError) -> HeldMemory {
    do throws(ServingError) { return try residents.reserve(7 * byteCount, for: .buffers, holding: holding) } catch {
      throw residents.unread(what, error)
    }
  }

  private static func parse(_ bytes: [UInt8]) throws(ProtocolError) -> ModelConfiguration {
    try bytes.withUnsafeBufferPointer { (bytes) throws(ProtocolError) in
      try ModelConfiguration(parsing: UnsafeRawBufferPointer(bytes))
    }
  }
}
