import Checks
import System

/// Runs every check on this processor: one line each, then how many passed.
///
///     thimble-selftest [--cases FOLDER]
///
/// With a folder of reference answers (Tests/Golden/operators) their models are run too.
@main
struct SelfTest {
  static func main() {
    let arguments = Process.arguments
    var checks = Check.all
    if arguments.count == 2, arguments[0] == "--cases" {
      do { checks += try Check.operatorChecks(in: arguments[1]) } catch {
        Console.error("thimble-selftest: \(error.message)")
        Process.exit(1)
      }
    } else if !arguments.isEmpty {
      Console.error("usage: thimble-selftest [--cases FOLDER]")
      Process.exit(2)
    }
    let failed = run(checks) { check, problem in
      Console.line(problem.map { "FAILED  \(check.name): \($0)" } ?? "passed  \(check.name)")
    }
    Console.line("\(checks.count - failed) passed, \(failed) failed")
    Process.exit(failed == 0 ? 0 : 1)
  }
}
