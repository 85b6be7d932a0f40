import System
import ThimbleClient

extension Command {
  static let health = Command(
    name: "health", positionals: "", summary: "say whether a daemon answers, for probes: exit status 0 or 1",
    details: "One line. With --live (as without) the daemon only has to answer; with --ready it has to take requests.",
    options: [
      Option("socket", "PATH", "where the daemon listens (default \(ThimbleClient.installedSocketPath))"),
      Option("live", nil, "ask whether it answers"),
      Option("ready", nil, "ask whether it takes requests"),
      Option("timeout", "SECONDS", "how long it may take to answer (default 5)"),
    ],
    run: runHealth)

  private static func runHealth(_ arguments: Arguments) throws(CommandError) {
    guard arguments.positionals.isEmpty else {
      throw .usage("health takes no arguments but options; `thimble health --help` lists them")
    }
    guard !(arguments.has("live") && arguments.has("ready")) else {
      throw .usage("health takes --live or --ready, not both")
    }
    let seconds = try arguments.integer("timeout", in: 1...3600) ?? 5
    let client = ThimbleClient(
      socketPath: arguments.socketPath, timeoutMilliseconds: Int32(seconds * 1000))
    let asksReadiness = arguments.has("ready")
    let isLive: Bool
    do throws(ClientError) {
      if asksReadiness { try client.checkReadiness() }
      isLive = asksReadiness ? true : try client.isLive()
    } catch {
      throw .failure(error.message)
    }
    guard isLive else { throw .failure("something else than a Thimble daemon answers at \(client.socketPath)") }
    Console.line(asksReadiness ? "ready" : "live")
  }
}
