import Protocols
import System

/// The models that exist, and which of them are loaded. Owned by the event loop.
final class ModelRepository {
  static let modelFileName = "model.thimble"

  let directory: ModelDirectory
  /// In byte order of the names.
  var entries: [Entry] = []

  /// A model and its versions.
  struct Entry {
    let name: String
    /// Ascending.
    var versions: [Version] = []
    /// Loads that are under way.
    var pendingLoads = 0
    /// What the configuration of the versions that were loaded last says of them; nil before.
    var selection: VersionSelection?
    /// Answers of versions that share requests; nil where they do not.
    var traffic: TrafficWatch?
    /// How often it has been unloaded.
    var unloadCount = 0
    /// Loads that failed one after the other for passing reasons, and when the next one is due.
    var retryCount = 0
    var retryDueNanoseconds = Int64.max
    /// Why the whole model could not be loaded.
    var failure: ServingError?

    /// Highest first.
    var loaded: [LoadedModel] { versions.reversed().compactMap { $0.model } }
  }

  struct Version {
    let number: Int
    var model: LoadedModel?
    var failure: ServingError?
    /// Why it is not loaded, where that is no failure.
    var reason = "not loaded"

    var isReady: Bool { model.map { $0.fileFault.reported == nil } ?? false }
  }

  init(_ directory: ModelDirectory) { self.directory = directory }

  var loadedModels: [LoadedModel] { entries.flatMap { $0.loaded.reversed() } }

  // MARK: Looking up

  /// The loaded model that a request means; without a version the one that gets most requests, or the highest. Errors: unknown,
  /// not loaded, loading, failed.
  func model(_ reference: ModelReference) throws(ServingError) -> LoadedModel { try route(reference) { nil }.model }

  /// The same, where requests without a version are shared among versions by `key`; and whether it was found so.
  func route(
    _ reference: ModelReference, _ key: () -> RoutingKey?
  ) throws(ServingError) -> (model: LoadedModel, isShared: Bool) {
    guard let index = index(of: reference.name) else { throw .unknownModel(reference.name) }
    let entry = entries[index]
    if reference.version == nil, entry.traffic != nil, let model = entry.shared(by: key()) { return (model, true) }
    return (try model(reference, entry), false)
  }

  private func model(_ reference: ModelReference, _ entry: Entry) throws(ServingError) -> LoadedModel {
    let wanted = reference.version.map { entry.number(of: $0) ?? 0 }
    if let model = entry.loaded.first(where: { wanted == nil || $0.version == wanted }) {
      if let failure = model.fileFault.reported { throw failure }
      return model
    }
    if entry.pendingLoads > 0 { throw .modelLoading(entry.name) }
    guard let wanted else {
      throw entry.failure ?? entry.versions.last?.failure
        ?? .modelUnavailable(model: entry.name, reason: entry.versions.last?.reason ?? "it has no version")
    }
    guard let version = entry.versions.first(where: { $0.number == wanted }) else {
      throw .unknownVersion(model: entry.name, version: reference.version ?? "")
    }
    throw version.failure ?? .modelUnavailable(model: entry.name, reason: "version \(wanted) is \(version.reason)")
  }

  func index(of name: String) -> Int? { entries.firstIndex { $0.name == name } }

  /// The entry of a model that is in the repository now, even if it was put there after the last scan.
  func entry(_ name: String) throws(ServingError) -> Entry {
    if let index = index(of: name) { return entries[index] }
    guard ModelDirectory.isPlainName(name), entries.count < ServingLimits.modelsMax, try directory.contains(name) else {
      throw .unknownModel(name)
    }
    insert(Entry(name: name))
    return Entry(name: name)
  }

  // MARK: Scanning

  /// Brings the list up to date with the directory: new models and versions appear, those that are gone and not loaded
  /// disappear.
  func scan() throws(ServingError) {
    let names = try directory.models()
    entries.removeAll { entry in
      !names.contains(entry.name) && entry.loaded.isEmpty && entry.pendingLoads == 0
    }
    for name in names {
      if index(of: name) == nil { insert(Entry(name: name)) }
      let index = index(of: name)!  // just inserted
      let found = try directory.versions(of: name)
      entries[index].versions.removeAll { $0.model == nil && !found.contains($0.number) }
      for number in found { ensure(number, at: index) }
    }
  }

  private func insert(_ entry: Entry) {
    let place = entries.firstIndex { entry.name.utf8.lexicographicallyPrecedes($0.name.utf8) } ?? entries.count
    entries.insert(entry, at: place)
  }

  @discardableResult
  private func ensure(_ number: Int, at index: Int) -> Int {
    if let found = entries[index].versions.firstIndex(where: { $0.number == number }) { return found }
    let place = entries[index].versions.firstIndex { $0.number > number } ?? entries[index].versions.count
    entries[index].versions.insert(Version(number: number), at: place)
    return place
  }

  // MARK: Changing

  func beginLoad(_ name: String) {
    if let index = index(of: name) { entries[index].pendingLoads += 1 }
  }

  func endLoad(_ name: String) {
    if let index = index(of: name) { entries[index].pendingLoads = max(0, entries[index].pendingLoads - 1) }
  }

  func unloadCount(_ name: String) -> Int { index(of: name).map { entries[$0].unloadCount } ?? 0 }

  /// Takes over what was loaded; versions that were not selected are unloaded, unless one that was could not be loaded: then they
  /// stay in service. Returns the first failure.
  func finishLoad(_ name: String, _ result: Result<ModelLoader.Loaded, ServingError>) -> ServingError? {
    guard let index = index(of: name) else { return nil }
    entries[index].pendingLoads = max(0, entries[index].pendingLoads - 1)
    switch result {
    case .failure(let error):
      entries[index].failure = error
      return error
    case .success(let loaded):
      let outcomes = loaded.outcomes
      entries[index].failure = nil
      var failure: ServingError?
      let isWhole = outcomes.allSatisfy { if case .success = $0.result { true } else { false } }
      for place in entries[index].versions.indices
      where (isWhole || entries[index].versions[place].model == nil)
        && !outcomes.contains(where: { $0.version == entries[index].versions[place].number })
      {
        entries[index].versions[place].model = nil
        entries[index].versions[place].failure = nil
        entries[index].versions[place].reason = "not selected by the version policy"
      }
      for outcome in outcomes {
        let place = ensure(outcome.version, at: index)
        switch outcome.result {
        case .success(let model):
          if entries[index].versions[place].model !== model { entries[index].traffic?.forget(outcome.version) }
          entries[index].versions[place].model = model
          entries[index].versions[place].failure = nil
        case .failure(let error):
          // A version that cannot be replaced stays as it was.
          entries[index].versions[place].failure = error
          failure = failure ?? error
        }
      }
      if isWhole || entries[index].selection == nil { entries[index].select(loaded.selection) }
      return failure
    }
  }

  /// The loaded versions of a model.
  func loaded(_ name: String) -> [LoadedModel] { index(of: name).map { entries[$0].loaded } ?? [] }

  /// Takes versions out of service that have been unloaded while a load of theirs was under way.
  func dropRetired(_ name: String) {
    guard let index = index(of: name) else { return }
    for place in entries[index].versions.indices
    where entries[index].versions[place].model?.residency.state == .retired {
      entries[index].versions[place].model = nil
      entries[index].versions[place].reason = "unloaded"
    }
  }

  /// Takes every version of a model out of service.
  func unload(_ name: String) {
    guard let index = index(of: name) else { return }
    entries[index].failure = nil
    entries[index].traffic = nil
    entries[index].selection = nil
    entries[index].unloadCount += 1
    entries[index].retryDueNanoseconds = Int64.max
    for place in entries[index].versions.indices {
      entries[index].versions[place].model = nil
      entries[index].versions[place].failure = nil
      entries[index].versions[place].reason = "unloaded"
    }
  }
}
