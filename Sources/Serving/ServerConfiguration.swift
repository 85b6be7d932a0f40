import Signatures
import System

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
  /// Whose signature a model's file must have to be loaded; nil: none is needed. Only in builds that check signatures.
  public var trustedKeys: TrustedKeys?
  /// Where to listen for TCP connections too; nil: nowhere.
  public var tcpAddress: TCPAddress?
  public var initialLoad = InitialLoad.everything
  /// Whether changes of the repository's files load and unload models.
  public var watchesRepository = false
  public var limits = ServingLimits()
  /// How long models stay in memory that nobody asks and that say nothing of it themselves.
  public var keepAlive = KeepAlive.forever
  /// What governs the effort; nil: nothing does.
  public var power: PowerConfiguration?
  /// Bytes of results that are kept for requests alike, of models whose configuration asks for it; 0: none.
  public var responseCacheByteCount = 0
  /// What started the server and wants to know of it.
  public var service = ServiceEnvironment()
  /// After how long without a request the server ends; nil: never.
  public var idleExitNanoseconds: Int64?
  /// Replaces `/` where the state of the machine is read, for tests.
  public var systemRoot = ""
  /// The program's version, for `GET /v2`.
  public var version: String
  /// What the log says until a client changes it, and how.
  public var log = LogSettings()
  /// A folder where traces are written besides being kept; nil: nowhere.
  public var traceFolder: String?
  /// Whom the server runs as once it listens; nil: whoever started it.
  public var user: Isolation.User?
  /// Whether system calls that serving does not need are given up once it listens.
  public var filtersCalls = false
  /// A file that says who may ask what; nil: everybody may all.
  public var clientsFile: String?
  /// Whether to say nothing on standard error.
  public var isQuiet = false

  public init(socketPath: String, modelsDirectory: String, version: String) {
    self.socketPath = socketPath
    self.modelsDirectory = modelsDirectory
    self.version = version
  }
}
