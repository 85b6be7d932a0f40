import System

/// The service manager, if there is one, and when it wants a sign of life. Owned by the event loop.
final class ServiceWatch {
  private let manager: ServiceManager?
  /// Half of the time that it waits; nil: it does not.
  private let periodNanoseconds: Int64?
  private var signNanoseconds = Clock.nowNanoseconds
  private let log: Log

  init(_ environment: ServiceEnvironment, log: Log) {
    self.log = log
    do throws(SystemError) {
      manager = try environment.notifyPath.map { (path) throws(SystemError) in try ServiceManager(notifying: path) }
    } catch {
      log.line("the service manager is told nothing: \(error.message)", .warning)
      manager = nil
    }
    // Bounded, so that nothing overflows: some 12 days.
    periodNanoseconds = environment.watchdogMicros.map { min($0, 1 << 40) * 500 }
  }

  /// Sends lines of `NAME=value`, and a text for people; without a service manager does nothing.
  func tell(_ lines: String = "", status: String) {
    // A line's end in a file's name must not begin another variable.
    let text = String(decoding: status.utf8.map { $0 < 32 ? 32 : $0 }, as: UTF8.self)
    let lines = (lines.isEmpty ? "" : lines + "\n") + "STATUS=" + text
    switch manager {
    case .none: return
    case .some(let manager):
      do throws(SystemError) { try manager.tell(lines) } catch {
        log.line("the service manager was not told: \(error.message)", .warning)
      }
    }
  }

  /// When the next sign of life is due.
  var dueNanoseconds: Int64 {
    guard let periodNanoseconds, case .some = manager else { return Int64.max }
    return signNanoseconds + periodNanoseconds
  }

  /// Gives a sign of life if one is due. It never waits: whatever holds up the event loop is what the watchdog is for.
  func giveSign(_ now: Int64) {
    guard now >= dueNanoseconds, case .some(let manager) = manager else { return }
    signNanoseconds = now
    try? manager.tell("WATCHDOG=1", waits: false)
  }
}
