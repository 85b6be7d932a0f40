import Memory
import System
import ThimbleClient

extension Command {
  static let models = Command(
    name: "models", positionals: "[load NAME | unload NAME]",
    summary: "say what a running daemon's models hold of its memory budget",
    details: """
      A model that is loaded holds its floor and its cache: weights that it keeps between inferences, which models give to
      each other by use. One that is asleep has given its memory back and comes back at the next request.
      """,
    options: [
      Option("socket", "PATH", "where the daemon listens (default \(ThimbleClient.installedSocketPath))"),
      Option("json", nil, "say it as JSON, as the daemon does"),
    ],
    run: runModels)

  private static func runModels(_ arguments: Arguments) throws(CommandError) {
    let client = ThimbleClient(socketPath: arguments.socketPath)
    let words = arguments.positionals
    if !words.isEmpty {
      guard words.count == 2, words[0] == "load" || words[0] == "unload" else {
        throw .usage("models takes nothing, `load NAME` or `unload NAME`; `thimble models --help` says more")
      }
      try asking { () throws(ClientError) in
        if words[0] == "load" { try client.loadModel(words[1]) } else { try client.unloadModel(words[1]) }
      }
    }
    if arguments.has("json") {
      Console.line(try asking { () throws(ClientError) in try client.residentsJSON() })
    } else {
      Console.write(ResidentsTable.text(try asking { () throws(ClientError) in try client.residents() }))
    }
  }

  private static func asking<Result>(_ body: () throws(ClientError) -> Result) throws(CommandError) -> Result {
    do { return try body() } catch { throw .failure(error.message) }
  }
}
