import Checks
import System

/// Runs every check on this processor: one line each, then how many passed.
@main
struct SelfTest {
  static func main() {
    var passed = 0
    let failed = runAllChecks { check, problem in
      if let problem {
        Console.line("FAILED  \(check.name): \(problem)")
      } else {
        passed += 1
        Console.line("passed  \(check.name)")
      }
    }
    Console.line("\(passed) passed, \(failed) failed")
    Process.exit(failed == 0 ? 0 : 1)
  }
}
