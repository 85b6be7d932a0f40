/// Which versions of a model are loaded, what they are called, and how requests that name none are shared among them.
struct VersionSelection: Equatable, Sendable {
  /// Which versions to load, with Triton's names.
  enum Policy: Equatable, Sendable {
    case latest(Int)
    case all
    case specific([Int])
  }

  /// What requests stay with one version for that bring no key of their own.
  enum Stickiness: String, Sendable {
    case connection
    case user
  }

  struct Label: Equatable, Sendable {
    let name: String
    let version: Int
  }

  /// A version's part of the requests, in proportion to all weights.
  struct Share: Equatable, Sendable {
    let version: Int
    let weight: Int
  }

  var policy = Policy.latest(1)
  /// Names of versions, as in TensorFlow Serving.
  var labels: [Label] = []
  /// The highest version first; empty: requests that name no version get the highest that is ready.
  var traffic: [Share] = []
  var stickiness = Stickiness.connection
  var rollback = RollbackPolicy()

  /// The number of a version that a client names; nil where that is neither a number nor a label.
  func version(named text: String) -> Int? {
    ModelDirectory.version(text) ?? labels.first { $0.name == text }?.version
  }

  /// Bytes of the heap that names and shares take.
  var byteCount: Int {
    LoadedModel.labelsByteCount(labels.map { $0.name }) + 8 * labels.count + 16 * traffic.count
  }

  /// The versions to load of those there are (ascending): those that the policy selects, and those that traffic or labels name.
  /// Errors: one that is asked for by number and absent.
  func selected(of versions: [Int], model: String) throws(ServingError) -> [Int] {
    guard !versions.isEmpty else { throw .noVersion(model: model) }
    var wanted = labels.map { $0.version } + traffic.map { $0.version }
    if case .specific(let numbers) = policy { wanted += numbers }
    for version in wanted where !versions.contains(version) {
      throw .versionAbsent(model: model, version: version)
    }
    switch policy {
    case .latest(let count): wanted += versions.suffix(count)
    case .all: return versions
    case .specific: break
    }
    return versions.filter { wanted.contains($0) }
  }
}

/// When the newest version's share of the requests goes back to the others.
struct RollbackPolicy: Equatable, Sendable {
  var isEnabled = true
  /// How long an answer counts, at least half of it.
  var windowSeconds = 60
  /// Answers of the newest version below which nothing is said of it.
  var requestCountMin = 20
  /// How much higher than the others' its share of errors must be.
  var margin: Float = 0.05
}
