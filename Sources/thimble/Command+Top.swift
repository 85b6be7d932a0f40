import System
import ThimbleClient

extension Command {
  static let top = Command(
    name: "top", positionals: "", summary: "show what a running daemon does, live",
    details: """
      Models with their requests a second and the latencies of the last seconds, the memory budget, threads and what heat and
      battery allow; once a second until it is ended. In a pipe each page follows the last one.
      """,
    options: [
      Option("socket", "PATH", "where the daemon listens (default \(ThimbleClient.installedSocketPath))"),
      Option("interval", "SECONDS", "from one page to the next (default 1)"),
      Option("once", nil, "show one page, of the next interval"),
      Option("json", nil, "say it as JSON, a line each time"),
    ],
    run: runTop)

  private static func runTop(_ arguments: Arguments) throws(CommandError) {
    guard arguments.positionals.isEmpty else {
      throw .usage("top takes options only; `thimble top --help` says more")
    }
    let client = ThimbleClient(socketPath: arguments.socketPath)
    let interval = try arguments.integer("interval", in: 1...3600) ?? 1
    let redraws = Console.outputIsTerminal && !arguments.has("once")
    var before = try activity(client)
    repeat {
      Futex().wait(while: 0, timeoutNanoseconds: Int64(interval) * 1_000_000_000)
      let now = try activity(client)
      let page = ActivityPage(before: before, now: now)
      if arguments.has("json") {
        Console.line(page.json)
      } else {
        // From the top of the screen on, and nothing below.
        var text = redraws ? "\u{1B}[H\u{1B}[J" : ""
        for line in page.lines { text += line + "\n" }
        Console.write(text)
      }
      before = now
    } while !arguments.has("once")
  }

  private static func activity(_ client: ThimbleClient) throws(CommandError) -> ClientActivity {
    do { return try client.activity() } catch { throw .failure(error.message) }
  }
}
