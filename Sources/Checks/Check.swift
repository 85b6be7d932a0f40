/// Something that must hold on every processor: run by `swift test`, and by `thimble-selftest` on the device or under qemu.
public struct Check: Sendable {
  public let name: String
  /// Nil, or what does not hold.
  let problem: @Sendable () -> String?

  init(_ name: String, _ problem: @escaping @Sendable () -> String?) {
    self.name = name
    self.problem = problem
  }

  /// Runs it: nil, or what does not hold.
  public func run() -> String? { problem() }

  /// Every check: those of the language-independent parts, then those of each kernel table that this processor runs.
  public static var all: [Check] { coreChecks + kernelChecks }
}

/// Runs the checks, tells `report` of each, and returns how many failed.
public func run(_ checks: [Check], report: (_ check: Check, _ problem: String?) -> Void) -> Int {
  var failures = 0
  for check in checks {
    let problem = check.run()
    if problem != nil { failures += 1 }
    report(check, problem)
  }
  return failures
}
