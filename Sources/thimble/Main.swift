import CSystem
import System

/// The one executable: picks the command and reports errors.
@main
struct Main {
  static let version = "0.1.0"

  private static let always: [Command] = [
    .demo, .importModel, .inspect, .plan, .run, .bench, .profile, .serve, .infer, .models, .health, .top, .power,
    .doctor,
  ]
  #if THIMBLE_SIGNATURES
    static let commands = always + [.verify]
  #else
    static var commands: [Command] { always }
  #endif

  static func main() {
    thimble_configure_allocator()
    let words = Process.arguments
    guard let name = words.first, name != "--help", name != "-h", name != "help" else {
      Console.write(overview)
      Process.exit(words.isEmpty ? 2 : 0)
    }
    if name == "--version" || name == "version" {
      Console.line("thimble \(version)")
      Process.exit(0)
    }
    guard let command = commands.first(where: { $0.name == name }) else {
      Console.error("thimble: there is no command \(name); `thimble --help` lists them")
      Process.exit(2)
    }
    do throws(CommandError) {
      let arguments = try Arguments(Array(words.dropFirst()), for: command)
      if arguments.has("help") {
        Console.write(command.help)
      } else {
        try command.run(arguments)
      }
    } catch {
      Console.error("thimble \(name): \(error.message)")
      Process.exit(error.status)
    }
    Process.exit(0)
  }

  private static var overview: String {
    var text = "thimble \(version): neural networks for many programs on one small device, in bounded memory\n\n"
    text += "usage: thimble COMMAND [arguments]\n\n"
    for command in commands {
      text +=
        "  " + command.name + String(repeating: " ", count: max(1, 10 - command.name.utf8.count)) + command.summary
        + "\n"
    }
    return text + "\n`thimble COMMAND --help` says more of each.\n"
  }
}
