/// A model and, where the path names one, a version or label; the version's form is for the repository to judge.
public struct ModelReference: Equatable, Sendable {
  public let name: String
  public let version: String?

  public init(name: String, version: String? = nil) {
    self.name = name
    self.version = version
  }
}

/// How a region of shared memory came to the server.
public enum SharedMemoryKind: Equatable, Sendable {
  /// By the name of a POSIX shared memory object, as Triton has it.
  case system
  /// By a descriptor that came with the request.
  case passed
}

/// What to do with a region, or with all where none is named.
public enum SharedMemoryAction: Equatable, Sendable {
  case status(String?)
  case register(String)
  case unregister(String?)
}

/// What a request's method and path ask for.
///
/// A HEAD is routed as the GET it mirrors; the server leaves the body out.
public enum Route: Equatable, Sendable {
  case live
  case ready
  case serverMetadata
  case modelList
  case modelMetadata(ModelReference)
  case modelReady(ModelReference)
  case modelConfiguration(ModelReference)
  case infer(ModelReference)
  /// Triton's `generate` and `generate_stream`.
  case generate(ModelReference, isStream: Bool)
  /// TensorFlow Serving's inference, state of versions and signature.
  case predict(ModelReference)
  case modelStatus(ModelReference)
  case modelSignature(ModelReference)
  /// Nil: of all models.
  case statistics(ModelReference?)
  case repositoryIndex
  case repositoryLoad(model: String)
  case repositoryUnload(model: String)
  case metrics
  case sharedMemory(SharedMemoryKind, SharedMemoryAction)
  /// What each model holds of the memory budget.
  case residents
  /// What a model would take and how fast it would be under a budget.
  case plan
  /// How much effort inferences may take, and why.
  case governor
  /// What the log says; with a body: says something else from now on.
  case logging(isChange: Bool)
  /// The same of which requests are traced, of one model or of all.
  case traceSetting(model: String?, isChange: Bool)
  /// What the daemon does, for a live page.
  case activity
  /// The traces that there are.
  case trace
  case notFound
  /// The path is known; `allow` is the value of the Allow header.
  case methodNotAllowed(allow: String)

  public init(method: HTTPMethod, path: [String]) {
    if let setting = Route.setting(path, isChange: method == .post) {
      self = [.get, .head, .post].contains(method) ? setting : .methodNotAllowed(allow: "GET, HEAD, POST")
      return
    }
    let (route, needsPost) = Route.resource(path)
    let isAllowed = needsPost ? method == .post : method == .get || method == .head
    self = isAllowed || route == .notFound ? route : .methodNotAllowed(allow: needsPost ? "POST" : "GET, HEAD")
  }

  /// What is read with GET and changed with POST.
  private static func setting(_ path: [String], isChange: Bool) -> Route? {
    guard path.first == "v2" else { return nil }
    if path.count == 2, path[1] == "logging" { return .logging(isChange: isChange) }
    guard path.count >= 3, path.suffix(2) == ["trace", "setting"] else { return nil }
    if path.count == 3 { return .traceSetting(model: nil, isChange: isChange) }
    guard path.count == 5, path[1] == "models", !path[2].isEmpty else { return nil }
    return .traceSetting(model: path[2], isChange: isChange)
  }

  private static func resource(_ path: [String]) -> (route: Route, needsPost: Bool) {
    if path == ["metrics"] { return (.metrics, false) }
    if path.first == "v1" { return tensorFlow(Array(path.dropFirst())) }
    guard path.first == "v2" else { return (.notFound, false) }
    guard path.count > 1 else { return (.serverMetadata, false) }
    let rest = path[2...]
    switch path[1] {
    case "health": return (health(rest), false)
    case "models": return models(rest)
    case "repository": return (repository(rest), true)
    case "systemsharedmemory": return sharedMemory(.system, rest)
    case "thimble" where rest.first == "memory": return sharedMemory(.passed, rest.dropFirst())
    case "thimble": return thimble(rest)
    default: return (.notFound, false)
    }
  }

  private static func thimble(_ path: ArraySlice<String>) -> (route: Route, needsPost: Bool) {
    guard path.count == 1 else { return (.notFound, false) }
    switch path.first {
    case "models": return (.residents, false)
    case "plan": return (.plan, true)
    case "governor": return (.governor, false)
    case "activity": return (.activity, false)
    case "trace": return (.trace, false)
    default: return (.notFound, false)
    }
  }

  /// `status`, `unregister` or `region/R/verb`.
  private static func sharedMemory(
    _ kind: SharedMemoryKind, _ path: ArraySlice<String>
  ) -> (route: Route, needsPost: Bool) {
    let path = Array(path)
    let isOne = path.count == 3 && path[0] == "region" && !path[1].isEmpty
    guard isOne || path.count == 1 else { return (.notFound, false) }
    let name = isOne ? path[1] : nil
    switch (path[path.count - 1], name) {
    case ("status", _): return (.sharedMemory(kind, .status(name)), false)
    case ("register", let name?): return (.sharedMemory(kind, .register(name)), true)
    case ("unregister", _): return (.sharedMemory(kind, .unregister(name)), true)
    default: return (.notFound, false)
    }
  }

  private static func health(_ path: ArraySlice<String>) -> Route {
    guard path.count == 1 else { return .notFound }
    switch path.first {
    case "live": return .live
    case "ready": return .ready
    default: return .notFound
    }
  }

  /// `[M[/versions/V][/verb]]`. The statistics of all models shadow a model named `stats`, as in Triton.
  private static func models(_ path: ArraySlice<String>) -> (route: Route, needsPost: Bool) {
    guard let name = path.first else { return (.modelList, false) }
    guard !name.isEmpty else { return (.notFound, false) }
    if name == "stats", path.count == 1 { return (.statistics(nil), false) }
    var rest = path.dropFirst()
    var version: String?
    if rest.first == "versions" {
      rest = rest.dropFirst()
      guard let named = rest.first, !named.isEmpty else { return (.notFound, false) }
      version = named
      rest = rest.dropFirst()
    }
    let model = ModelReference(name: name, version: version)
    guard rest.count <= 1 else { return (.notFound, false) }
    switch rest.first {
    case nil: return (.modelMetadata(model), false)
    case "ready": return (.modelReady(model), false)
    case "config": return (.modelConfiguration(model), false)
    case "stats": return (.statistics(model), false)
    case "infer": return (.infer(model), true)
    case "generate": return (.generate(model, isStream: false), true)
    case "generate_stream": return (.generate(model, isStream: true), true)
    default: return (.notFound, false)
    }
  }

  /// `models/M[/versions/V|/labels/L][/metadata|:predict]`.
  private static func tensorFlow(_ path: [String]) -> (route: Route, needsPost: Bool) {
    guard path.count >= 2, path[0] == "models", var last = path.last else { return (.notFound, false) }
    let verb = ":predict"
    let isPredict = last.hasSuffix(verb)
    if isPredict { last = String(last.dropLast(verb.count)) }
    var parts = path.dropFirst().dropLast() + [last]
    let isSignature = !isPredict && parts.count > 1 && parts.count % 2 == 0 && parts.last == "metadata"
    if isSignature { parts.removeLast() }
    guard let name = parts.first, !name.isEmpty else { return (.notFound, false) }
    let rest = Array(parts.dropFirst())
    guard rest.isEmpty || rest.count == 2 && !rest[1].isEmpty && ["versions", "labels"].contains(rest[0]) else {
      return (.notFound, false)
    }
    let model = ModelReference(name: name, version: rest.last)
    if isPredict { return (.predict(model), true) }
    return (isSignature ? .modelSignature(model) : .modelStatus(model), false)
  }

  /// `index` or `models/M/load` or `models/M/unload`.
  private static func repository(_ path: ArraySlice<String>) -> Route {
    let path = Array(path)
    if path == ["index"] { return .repositoryIndex }
    guard path.count == 3, path[0] == "models", !path[1].isEmpty else { return .notFound }
    switch path[2] {
    case "load": return .repositoryLoad(model: path[1])
    case "unload": return .repositoryUnload(model: path[1])
    default: return .notFound
    }
  }
}
