/// What a server is told at start.
public struct ServerConfiguration: Sendable {
  /// What to load before the socket appears.
  public enum InitialLoad: Sendable {
    case everything
    /// Nothing but the models named.
    case only([String])
  }

  public var socketPath: String
  public var modelsDirectory: String
  public var initialLoad = InitialLoad.everything
  public var limits = ServingLimits()
  /// The program's version, for `GET /v2`.
  public var version: String
  /// Whether to say nothing on standard error.
  public var isQuiet = false

  public init(socketPath: String, modelsDirectory: String, version: String) {
    self.socketPath = socketPath
    self.modelsDirectory = modelsDirectory
    self.version = version
  }
}
