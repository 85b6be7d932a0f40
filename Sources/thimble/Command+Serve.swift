import Devices
import Memory
import Serving
import System

extension Command {
  static let serve = Command(
    name: "serve", positionals: "", summary: "serve models over a Unix socket (Open Inference Protocol)",
    details: """
      DIR holds <model>/<version>/model.thimble and, optionally, <model>/config.json with "labels", "version_policy",
      "keep_alive" and "response_cache". Models share the memory budget by use: those that are asked seldom keep less of
      their weights, or sleep until they are asked again.
      The socket appears once the models are loaded; curl --unix-socket PATH http://localhost/v2/health/ready tells. A
      model that does not load is reported and does not stop the others. SIGTERM finishes the requests in flight. SIGHUP reads
      power profiles and model configurations again: as a whole, or not at all.
      Under systemd it says when it is ready, keeps the watchdog quiet, and takes over a socket that systemd listens at; with
      --exit-when-idle it then runs only while somebody asks.
      """,
    options: [
      Option("models", "DIR", "the model repository"),
      Option("socket", "PATH", "where to listen; only the owner and group may connect"),
      Option(
        "listen", "[HOST:]PORT",
        "listen for TCP too, of IPv4 and without encryption; without HOST only for this machine, where everybody may connect"
      ),
      Option(
        "trusted-key", "FILE",
        "load only models with a minisign signature (model.thimble.minisig) by a public key in FILE; may be repeated"),
    ] + Engine.options + [
      Option("profile", "NAME", "power profile (default: the target's, else balanced); see `thimble power`"),
      Option("profiles", "DIR", "where power profiles are (default: \(PowerProfileDirectory.installedPath))"),
      Option("root", "DIR", "what stands for / where sensors are read, for tests and simulations"),
      Option("load", "NAME", "load only this model at start; may be repeated"),
      Option("explicit", nil, "load nothing at start but what --load names"),
      Option(
        "model-control-mode", "MODE",
        "none: load everything at start (default); explicit: as --explicit; watch: as none, and follow what is put into DIR and "
          + "into its models, or removed"),
      Option(
        "keep-alive", "TIME", "put models to sleep that nobody asks for so long: 90s, 5m, 2h (default forever)"),
      Option(
        "response-cache", "SIZE",
        "memory for results of models whose config.json has \"response_cache\": {\"enable\": true} (default 0: none)"),
      Option("connections", "N", "clients at once (default 64)"),
      Option("queue", "N", "requests that may wait (default 32, at most --connections)"),
      Option("client-queue", "N", "requests of one user that may wait (default: as many as --queue)"),
      Option(
        "clients", "FILE",
        "who may ask what, and how much each user may take: JSON, as in the README; SIGHUP reads it again"),
      Option("body-limit", "SIZE", "largest request (default 64M)"),
      Option("drain", "SECONDS", "how long SIGTERM waits for requests (default 30)"),
      Option("exit-when-idle", "TIME", "end when nobody has asked for so long: 90s, 5m, 2h (default never)"),
      Option(
        "log-format", "FORMAT",
        "default; ISO8601: with time and level; json: an object a line. In systemd's journal lines have their priority"),
      Option("log-verbose", "N", "1: a line for each inference too (default 0); POST /v2/logging changes it later"),
      Option(
        "trace-dir", "DIR",
        "write traces there too, in Chrome's format; clients turn them on with POST /v2/trace/setting, and read them at "
          + "/v2/thimble/trace"),
      Option("quiet", nil, "say nothing but errors at start"),
      Option(
        "user", "NAME[:GROUP]",
        "whom to run as once it listens, and whose the socket is then; needs root. Names or numbers"),
      Option(
        "no-sandbox", nil,
        "keep privileges, files and system calls that serving does not need, which are given up otherwise"),
      Option("check", nil, "start, say what is in force, and end; the socket is made beside PATH"),
      Option("json", nil, "with --check: as JSON"),
    ],
    run: runServe)

  private static func runServe(_ arguments: Arguments) throws(CommandError) {
    guard arguments.positionals.isEmpty else {
      throw .usage("serve takes no arguments but options; `thimble serve --help` lists them")
    }
    var configuration = try serverConfiguration(arguments)
    let isCheck = arguments.has("check")
    if isCheck {
      configuration.socketPath += ".check-\(Process.identifier)"
      configuration.tcpAddress = nil
      configuration.service = ServiceEnvironment()
      configuration.isQuiet = true
    }
    configuration.user = try user(arguments)
    // Before any thread starts: threads inherit the blocked signals.
    let signals: TerminationSignals
    do { signals = try TerminationSignals(takesHangUp: true) } catch { throw .failure(error.message) }
    var isolation = DaemonIsolation(configuration, profiles: arguments.text("profiles"))
    if !arguments.has("no-sandbox") {
      isolation.enter(keepsCapabilities: configuration.user != nil)
      configuration.filtersCalls = true
    }
    let engine = try Engine(arguments, for: .serving)
    do throws(ServingError) {
      let server = try Server(
        configuration, kernels: engine.kernels, pool: engine.pool, budget: engine.budget, signals: signals)
      try server.start()
      if isCheck {
        isolation.write(server, configuration, isJSON: arguments.has("json"))
        server.stop()
      } else {
        for remark in isolation.remarks { server.note(remark) }
      }
      if try server.run() == .cut { Process.exit(1) }
    } catch {
      throw .failure(error.message)
    }
  }

  private static func user(_ arguments: Arguments) throws(CommandError) -> Isolation.User? {
    guard let text = arguments.text("user") else { return nil }
    let parts = text.utf8.split(separator: UInt8(ascii: ":"), maxSplits: 1).map { String(decoding: $0, as: UTF8.self) }
    guard let name = parts.first, let user = Isolation.User(named: name, group: parts.count > 1 ? parts[1] : nil) else {
      throw .usage("--user takes a user of this machine, or a number with a group such as 998:998, not \(text)")
    }
    return user
  }

  private static func serverConfiguration(_ arguments: Arguments) throws(CommandError) -> ServerConfiguration {
    let service: ServiceEnvironment
    do { service = try ServiceEnvironment(process: Process.identifier) } catch { throw .failure(error.message) }
    // Who passes a socket has decided where it is.
    let path = service.listeningDescriptor == nil ? try arguments.required("socket") : ""
    var configuration = ServerConfiguration(
      socketPath: path, modelsDirectory: try arguments.required("models"), version: Main.version)
    configuration.service = service
    if let text = arguments.text("exit-when-idle") {
      guard let time = KeepAlive(text)?.nanoseconds, time > 0 else {
        throw .usage("--exit-when-idle takes seconds or a time such as 90s, 5m or 2h, not \(text)")
      }
      configuration.idleExitNanoseconds = time
    }
    configuration.trustedKeys = try Engine.trustedKeys(arguments)
    configuration.isQuiet = arguments.has("quiet")
    configuration.clientsFile = arguments.text("clients")
    configuration.power = try Engine.power(arguments)
    configuration.systemRoot = arguments.text("root") ?? ""
    if arguments.has("explicit") || arguments.has("load") {
      configuration.initialLoad = .only(arguments.all("load"))
    }
    switch arguments.text("model-control-mode") {
    case nil, "none": break
    case "explicit": configuration.initialLoad = .only(arguments.all("load"))
    case "watch", "poll": configuration.watchesRepository = true
    case let text?: throw .usage("--model-control-mode takes none, explicit or watch, not \(text)")
    }
    if let text = arguments.text("listen") {
      guard let address = TCPAddress(text) else {
        throw .usage("--listen takes an IPv4 address and a port such as 127.0.0.1:8000, or only a port, not \(text)")
      }
      configuration.tcpAddress = address
    }
    if let text = arguments.text("keep-alive") {
      guard let keepAlive = KeepAlive(text) else {
        throw .usage("--keep-alive takes seconds, a time such as 90s, 5m or 2h, or forever, not \(text)")
      }
      configuration.keepAlive = keepAlive
    }
    if let count = try arguments.integer("connections", in: 1...1024) {
      configuration.limits.connectionsMax = count
      configuration.limits.queuedRequestsMax = min(configuration.limits.queuedRequestsMax, count)
    }
    if let count = try arguments.integer("queue", in: 1...configuration.limits.connectionsMax) {
      configuration.limits.queuedRequestsMax = count
    }
    if let count = try arguments.integer("client-queue", in: 1...configuration.limits.connectionsMax) {
      configuration.limits.userRequestsMax = count
    }
    if let text = arguments.text("log-format") {
      guard let format = LogSettings.Format(rawValue: text) else {
        throw .usage("--log-format takes default, ISO8601 or json, not \(text)")
      }
      configuration.log.format = format
    }
    if let level = try arguments.integer("log-verbose", in: 0...1000) { configuration.log.verboseLevel = level }
    if let folder = arguments.text("trace-dir") {
      guard (try? FileSystem.status(of: folder))?.isDirectory == true else {
        throw .usage("--trace-dir takes a folder that is there, not \(folder)")
      }
      configuration.traceFolder = folder
    }
    if let count = try arguments.byteCount("response-cache") { configuration.responseCacheByteCount = count }
    if let count = try arguments.byteCount("body-limit") { configuration.limits.bodyBytesMax = max(count, 4096) }
    if let seconds = try arguments.integer("drain", in: 0...3600) {
      configuration.limits.drainMilliseconds = seconds * 1000
    }
    return configuration
  }
}
