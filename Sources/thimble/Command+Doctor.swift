import Protocols
import System
import ThimbleClient

extension Command {
  static let doctor = Command(
    name: "doctor", positionals: "", summary: "look at this machine: what Thimble can use of it, and what to mend",
    details: """
      Lines marked ✘ are what would keep a daemon from starting, those marked ! what could be better; the exit status is 1 where
      there is one of the former.
      """,
    options: [
      Option("models", "DIR", "a model repository to look at too"),
      Option("socket", "PATH", "where the daemon is to listen (default \(ThimbleClient.installedSocketPath))"),
      Option("root", "DIR", "what stands for / where the kernel's files are read, for tests"),
      Option("json", nil, "say it as JSON"),
    ],
    run: runDoctor)

  private static func runDoctor(_ arguments: Arguments) throws(CommandError) {
    guard arguments.positionals.isEmpty else {
      throw .usage("doctor takes no arguments but options; `thimble doctor --help` lists them")
    }
    let socket = arguments.socketPath
    let end = socket.utf8.lastIndex(of: UInt8(ascii: "/"))
    let folder = end.map { String(socket[..<$0]) } ?? "."
    let doctor = Doctor(
      root: arguments.text("root") ?? "", models: arguments.text("models"), socketFolder: folder.isEmpty ? "/" : folder)
    let findings = doctor.examine()
    let problems = findings.filter { $0.level == .problem }.count
    arguments.has("json") ? writeJSON(findings) : write(findings)
    if problems > 0 { throw .failure(problems == 1 ? "1 problem" : "\(problems) problems") }
  }

  private static func write(_ findings: [Doctor.Finding]) {
    for finding in findings {
      let mark =
        switch finding.level {
        case .fine: "✔"
        case .note: "!"
        case .problem: "✘"
        }
      let gap = String(repeating: " ", count: max(1, 15 - finding.subject.utf8.count))
      Console.line("\(mark) \(finding.subject)\(gap)\(finding.text)")
      if !finding.advice.isEmpty { Console.line(String(repeating: " ", count: 17) + "→ " + finding.advice) }
    }
  }

  private static func writeJSON(_ findings: [Doctor.Finding]) {
    var json = JSONWriter()
    json.beginArray()
    for finding in findings {
      json.beginObject()
      json.member("subject", finding.subject)
      json.member("level", finding.level.rawValue)
      json.member("text", finding.text)
      if !finding.advice.isEmpty { json.member("advice", finding.advice) }
      json.endObject()
    }
    json.endArray()
    Console.write(String(decoding: json.bytes, as: UTF8.self) + "\n")
  }
}
