import Memory
import Protocols
import System

/// Where this process learns that memory is short: the kernel's notices, and figures that are read from time to time. Each
/// source is optional; `remarks` says what is missing.
final class PressureSources {
  /// A notice and what it means.
  final class Source {
    enum Meaning {
      case someStall, fullStall, groupEvents, mediumLevel, criticalLevel
    }

    let meaning: Meaning
    let notice: PressureNotice

    init(_ meaning: Meaning, _ notice: consuming PressureNotice) {
      self.meaning = meaning
      self.notice = notice
    }
  }

  private let root: String
  private(set) var sources: [Source] = []
  /// One line for each source that is not there.
  private(set) var remarks: [String] = []
  /// This process's memory group and its parents, nearest first, and whether they are of version 2.
  private var groups: [(directory: String, isUnified: Bool)] = []
  /// The `memory.events` that is watched, and its counters as last seen.
  private var eventsFile: String?
  private var events = (high: 0, max: 0, oom: 0)

  /// 0.2 s of stalls of any task, or 0.1 s of all tasks at once, in 2 s: unprivileged triggers need such a window.
  static let someStallTrigger = "some 200000 2000000"
  static let fullStallTrigger = "full 100000 2000000"

  /// `root` replaces `/` for tests; `environment` is the process's.
  init(root: String = "", environment: (String) -> String? = { Process.environment($0) }) {
    self.root = root
    let memoryGroups = ControlGroups.read(root: root).filter { $0.isUnified || $0.controllers.contains("memory") }
    for group in memoryGroups {
      for directory in group.directories(root: root, controller: "memory") {
        groups.append((directory, group.isUnified))
      }
    }
    openStallTriggers(environment)
    openGroupNotices()
    if MemoryInformation.machine(root: root) == nil { remarks.append("/proc/meminfo has no MemAvailable") }
  }

  // MARK: Opening

  private func openStallTriggers(_ environment: (String) -> String?) {
    if let path = environment("MEMORY_PRESSURE_WATCH"), !path.isEmpty {
      if path == "/dev/null" { return remarks.append("the service manager turns stall triggers off") }
      return openDelegated(root + path, environment("MEMORY_PRESSURE_WRITE"))
    }
    let unified = groups.filter { $0.isUnified }.map { $0.directory + "/memory.pressure" }
    var failure: SystemError?
    for path in unified + [root + "/proc/pressure/memory"] {
      do throws(SystemError) {
        let some = try PressureNotice(triggerAt: path, text: PressureSources.line(PressureSources.someStallTrigger))
        let full = try PressureNotice(triggerAt: path, text: PressureSources.line(PressureSources.fullStallTrigger))
        sources.append(Source(.someStall, some))
        sources.append(Source(.fullStall, full))
        return
      } catch {
        failure = error
      }
    }
    remarks.append("no stall triggers (\(failure?.message ?? ""))")
  }

  /// systemd's protocol: MEMORY_PRESSURE_WATCH names a trigger or a pipe, MEMORY_PRESSURE_WRITE is what to write to it, in
  /// base64.
  private func openDelegated(_ path: String, _ text: String?) {
    do throws(SystemError) {
      let status = try FileSystem.status(of: path)
      if status.isSocket { return remarks.append("MEMORY_PRESSURE_WATCH names a socket, which is not supported") }
      if status.isRegular {
        guard let bytes = Base64.decode(text ?? "") else {
          return remarks.append("MEMORY_PRESSURE_WRITE is not base64")
        }
        sources.append(Source(.someStall, try PressureNotice(triggerAt: path, text: bytes)))
      } else {
        sources.append(Source(.someStall, try PressureNotice(pipeAt: path)))
      }
    } catch {
      remarks.append("no stall trigger as MEMORY_PRESSURE_WATCH has it (\(error.message))")
    }
  }

  private func openGroupNotices() {
    for group in groups {
      if group.isUnified {
        let file = group.directory + "/memory.events"
        guard let notice = try? PressureNotice(modificationsOf: file) else { continue }
        sources.append(Source(.groupEvents, notice))
        eventsFile = file
        events = readEvents()
        return
      }
      guard let medium = try? PressureNotice(levelOfGroup: group.directory, level: "medium"),
        let critical = try? PressureNotice(levelOfGroup: group.directory, level: "critical")
      else { continue }
      sources.append(Source(.mediumLevel, medium))
      sources.append(Source(.criticalLevel, critical))
      return
    }
    remarks.append("no events of a memory control group")
  }

  /// The kernel reads a trigger up to its zero.
  private static func line(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }

  /// A source whose group is gone would be ready for ever.
  func dropGone() { sources.removeAll { $0.notice.isGone } }

  /// Whether the kernel says by itself that tasks wait for memory.
  var hasStallTrigger: Bool { sources.contains { $0.meaning == .someStall } }

  // MARK: Reading

  func read() -> PressureReadings {
    var readings = PressureReadings()
    for source in sources where source.notice.take() {
      switch source.meaning {
      case .someStall: readings.hasSomeStall = true
      case .fullStall: readings.hasFullStall = true
      case .mediumLevel: readings.hasMediumLevel = true
      case .criticalLevel: readings.hasCriticalLevel = true
      case .groupEvents: break  // read below, whether or not the notice has come
      }
    }
    if eventsFile != nil {
      let now = readEvents()
      readings.highCount = max(0, now.high - events.high)
      readings.maxCount = max(0, now.max - events.max)
      readings.oomCount = max(0, now.oom - events.oom)
      events = now
    }
    readings.group = tightestGroup()
    readings.machine = MemoryInformation.machine(root: root).map {
      .init(limitByteCount: $0.totalByteCount, usedByteCount: $0.totalByteCount - $0.availableByteCount)
    }
    return readings
  }

  private func readEvents() -> (high: Int, max: Int, oom: Int) {
    guard let eventsFile else { return (0, 0, 0) }
    func count(_ name: String) -> Int { MemoryInformation.counter(name, in: eventsFile) ?? 0 }
    return (count("high"), count("max"), count("oom"))
  }

  /// The group of those with a limit that has the least left.
  private func tightestGroup() -> PressureReadings.Share? {
    var tightest: PressureReadings.Share?
    for group in groups {
      guard var share = group.isUnified ? unifiedShare(group.directory) : share(group.directory) else { continue }
      if share.leftByteCount < 2 * PressureReadings.groupFloor(share.limitByteCount) {
        share.usedByteCount -= min(share.usedByteCount, cacheByteCount(group.directory, isUnified: group.isUnified))
      }
      if let found = tightest, found.leftByteCount <= share.leftByteCount { continue }
      tightest = share
    }
    return tightest
  }

  private func share(_ directory: String) -> PressureReadings.Share? {
    guard let limit = PressureSources.number(directory + "/memory.limit_in_bytes"),
      let usage = PressureSources.number(directory + "/memory.usage_in_bytes"), (0..<1 << 60).contains(limit),
      usage >= 0
    else { return nil }
    return .init(limitByteCount: limit, usedByteCount: usage)
  }

  /// Over memory.high tasks are held up, at memory.max the kernel kills: the lower one is the limit.
  private func unifiedShare(_ directory: String) -> PressureReadings.Share? {
    let limits = ["/memory.max", "/memory.high"].compactMap { PressureSources.number(directory + $0) }
    guard let limit = limits.min(), let usage = PressureSources.number(directory + "/memory.current"),
      (0..<1 << 60).contains(limit), usage >= 0
    else { return nil }
    return .init(limitByteCount: limit, usedByteCount: usage)
  }

  /// Pages of files are charged to a group too. Those that nobody maps can always be given back.
  private func cacheByteCount(_ directory: String, isUnified: Bool) -> Int {
    let file = directory + "/memory.stat"
    func count(_ name: String) -> Int { max(0, MemoryInformation.counter(name, in: file) ?? 0) }
    let names =
      isUnified
      ? ["inactive_file", "active_file", "file_mapped"]
      : ["total_inactive_file", "total_active_file", "total_mapped_file"]
    let (cached, hasOverflow) = count(names[0]).addingReportingOverflow(count(names[1]))
    return hasOverflow ? 0 : max(0, cached - count(names[2]))
  }

  private static func number(_ path: String) -> Int? { ControlGroups.words(in: path).first.flatMap { Int($0) } }
}
