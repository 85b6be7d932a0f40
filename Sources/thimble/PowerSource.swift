import Devices
import Power
import System

/// This machine's readings, or those of another's files: taken when something happens and every second.
final class PowerSource {
  let target: Target?
  let sensors: PowerSensors
  let notices: PowerNotices
  private let signals: TerminationSignals
  private let poll: EventPoll
  private var hasEnded = false

  static let options: [Option] = [
    Option("root", "DIR", "read DIR/sys, DIR/proc and so on, another machine's files, instead of this one's"),
    Option("target", "NAME", "what kind of device this is (default: recognised; see targets/)"),
    Option("targets", "DIR", "where targets are (default: \(TargetDirectory.installedPath))"),
  ]

  init(_ arguments: Arguments) throws(CommandError) {
    let root = arguments.text("root")
    if let root, (try? FileSystem.status(of: root))?.isDirectory != true {
      throw .failure("--root \(root) is no directory")
    }
    target = try PowerSource.target(arguments)
    sensors = PowerSensors(
      root: root ?? "", usableProcessors: root == nil ? nil : [], throttleFile: target?.power.throttleFile)
    notices = PowerNotices(sensors, hearsKernel: root == nil)
    do throws(SystemError) {
      signals = try TerminationSignals()
      poll = try EventPoll()
      try poll.add(signals.descriptor, .readable, token: 0)
      for notice in notices.notices { try poll.add(notice.descriptor, notice.interest, token: 1) }
    } catch {
      throw .failure(error.message)
    }
  }

  /// What `--target` names, else what the device tree under `--root` is recognised as; nil where there are no targets.
  static func target(_ arguments: Arguments) throws(CommandError) -> Target? {
    let folder = arguments.text("targets")
    let directory = TargetDirectory(folder ?? TargetDirectory.installedPath)
    do throws(TargetError) {
      if let name = arguments.text("target") { return try directory.target(named: name) }
      if folder == nil, (try? FileSystem.status(of: directory.path)) == nil { return nil }
      let tree = DeviceTree(root: arguments.text("root") ?? "")
      // Machines with a device tree that are not this one are ARM.
      let isOther = arguments.has("root") && !tree.compatible.isEmpty
      return try directory.recognised(tree: tree, architecture: isOther ? "aarch64" : Architecture.name)
    } catch {
      throw .failure(error.message)
    }
  }

  func read() -> PowerReadings {
    var readings = sensors.read()
    target?.power.complete(&readings)
    return readings
  }

  /// Waits for a second, or until the kernel tells of something. False: the program is to end.
  func wait() throws(CommandError) -> Bool {
    do throws(SystemError) {
      try poll.wait(timeoutMilliseconds: 1000) { event in
        if event.token == 0 { hasEnded = true } else { _ = notices.take() }
      }
    } catch {
      throw .failure(error.message)
    }
    return !hasEnded
  }
}
