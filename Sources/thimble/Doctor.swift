import Memory
import Power
import Protocols
import Runtime
import System

/// What a machine has of all that Thimble can use, what that means, and what to do where it lacks something.
struct Doctor {
  enum Level: String {
    case fine
    /// It works without; something is worth knowing or could be better.
    case note
    /// Something that was asked for does not work.
    case problem
  }

  struct Finding {
    let level: Level
    let subject: String
    let text: String
    /// What to do; empty where nothing.
    var advice = ""
  }

  /// What stands for `/`, for tests.
  let root: String
  let models: String?
  /// The folder in which a daemon is to make its socket.
  let socketFolder: String

  func examine() -> [Finding] {
    [user, processor, memory, swap, hugePages, controlGroup, stalls, openFiles, heat, clocks, energy, confinement]
      + folders
  }

  // MARK: Processes

  private var user: Finding {
    guard field("Uid:", in: "/proc/self/status") == "0" else {
      return Finding(level: .fine, subject: "user", text: "not root")
    }
    return Finding(
      level: .note, subject: "user", text: "root, which a daemon need not be",
      advice: "the Debian package runs it as the user thimble; targets/systemd shows how")
  }

  private var openFiles: Finding {
    let subject = "open files"
    // `Max open files  SOFT  HARD  files`
    guard let limit = fields(after: "Max open files", in: "/proc/self/limits").first.flatMap({ Int($0) }) else {
      return Finding(level: .fine, subject: subject, text: "no limit is known")
    }
    guard limit < 1024 else { return Finding(level: .fine, subject: subject, text: "\(limit) at once") }
    return Finding(
      level: .note, subject: subject, text: "\(limit) at once, one a connection",
      advice: "raise it with `ulimit -n`, or LimitNOFILE= in the unit")
  }

  private var confinement: Finding {
    let names = text("/sys/kernel/security/lsm")
    let hasFilter = field("Seccomp:", in: "/proc/self/status") != nil
    let has = (hasFilter ? ["seccomp"] : []) + (names.contains { $0 == "landlock" } ? ["Landlock"] : [])
    return Finding(
      level: .fine, subject: "confinement",
      text: has.isEmpty ? "the kernel has neither seccomp nor Landlock" : "the kernel has \(has.joined(", "))")
  }

  // MARK: Memory

  private var memory: Finding {
    guard let machine = MemoryInformation.machine(root: root) else {
      return Finding(
        level: .note, subject: "memory", text: "/proc/meminfo has no MemAvailable",
        advice: "give --memory-budget: a shortage of the machine goes unseen")
    }
    let budget = DefaultBudget.byteCount(root: root, physicalByteCount: machine.totalByteCount)
    return Finding(
      level: .fine, subject: "memory",
      text: "\(ByteCount.text(machine.totalByteCount)), \(ByteCount.text(machine.availableByteCount)) available; "
        + "budget without --memory-budget \(ByteCount.text(budget))")
  }

  private var swap: Finding {
    let kibibytes = field("SwapTotal:", in: "/proc/meminfo").flatMap { Int($0) } ?? 0
    guard kibibytes > 0 else { return Finding(level: .fine, subject: "swap", text: "none") }
    let isCompressed = text("/proc/swaps").contains { $0.utf8.starts(with: "/dev/zram".utf8) }
    return Finding(
      level: isCompressed ? .fine : .note, subject: "swap",
      text: "\(kibibytes / 1024) MiB" + (isCompressed ? ", compressed in memory" : ""),
      advice: isCompressed ? "" : "where it is a card or eMMC, prefer zram: other programs' swapping wears it out")
  }

  private var hugePages: Finding {
    let words = text("/sys/kernel/mm/transparent_hugepage/enabled")
    guard words.contains("[always]") else {
      return Finding(level: .fine, subject: "huge pages", text: words.isEmpty ? "none" : "not unasked")
    }
    return Finding(
      level: .note, subject: "huge pages", text: "always: the kernel may give 2 MiB where 4 KiB were touched",
      advice: "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, for a tight budget")
  }

  private var controlGroup: Finding {
    let subject = "control group"
    let groups = ControlGroups.read(root: root)
    let memory = groups.first { $0.isUnified ? hasFile($0, "memory.current") : $0.controllers.contains("memory") }
    guard let memory else {
      return Finding(
        level: .note, subject: subject, text: "none that counts memory",
        advice: "on a Raspberry Pi add `cgroup_enable=memory` to cmdline.txt; without it MemoryMax= has no effect")
    }
    let limit = DefaultBudget.cgroupLimitByteCount(root: root)
    return Finding(
      level: .fine, subject: subject,
      text: "version \(memory.isUnified ? 2 : 1), "
        + (limit.map { "\(ByteCount.text($0)) at most" } ?? "without a limit"))
  }

  private func hasFile(_ group: ControlGroups, _ name: String) -> Bool {
    group.directories(root: root, controller: "memory").contains {
      (try? FileSystem.status(of: $0 + "/" + name)) != nil
    }
  }

  private var stalls: Finding {
    guard text("/proc/pressure/memory").isEmpty else {
      return Finding(level: .fine, subject: "stalls", text: "the kernel says when programs wait for memory")
    }
    return Finding(
      level: .note, subject: "stalls", text: "the kernel does not say when programs wait for memory",
      advice: "boot with psi=1 (CONFIG_PSI); until then figures are read once a second")
  }

  // MARK: Processors and heat

  private var processor: Finding {
    let best = Kernels.best.name
    let isPortable = best == "portable"
    return Finding(
      level: isPortable ? .note : .fine, subject: "processor", text: "kernels \(best)",
      advice: isPortable ? "no vector instructions that Thimble knows: it is several times slower" : "")
  }

  private var readings: PowerReadings { PowerSensors(root: root).read(nowNanoseconds: 0) }

  private var heat: Finding {
    let zones = readings.zones
    let subject = "heat"
    guard !zones.isEmpty else {
      return Finding(
        level: .note, subject: subject, text: "no thermal zone",
        advice: "the kernel's thermal driver for this board is missing; effort does not follow heat")
    }
    let trips = zones.filter { $0.passiveTrip != nil }.count
    guard trips > 0 else {
      return Finding(
        level: .note, subject: subject, text: "\(zones.count) zones, none with a passive trip",
        advice: "give --target, whose file has the board's trips")
    }
    return Finding(level: .fine, subject: subject, text: "\(zones.count) zones, \(trips) with a passive trip")
  }

  private var clocks: Finding {
    let clusters = readings.clusters
    let cores = clusters.reduce(0) { $0 + $1.cores.count }
    let hasClocks = clusters.contains { $0.frequencyMax != nil }
    return Finding(
      level: .fine, subject: "cores",
      text: "\(cores), in \(clusters.count) kinds" + (hasClocks ? "" : ", clocks unknown (no cpufreq)"))
  }

  private var energy: Finding {
    let readings = readings
    var sources: [String] = []
    if readings.energyMicrojoules != nil { sources.append("powercap") }
    if readings.supply.dischargeMicrowatts != nil { sources.append("battery") }
    return Finding(
      level: .fine, subject: "energy",
      text: sources.isEmpty ? "no counter: joules are estimated where a target says how" : sources.joined(", "))
  }

  // MARK: Folders

  private var folders: [Finding] {
    var findings: [Finding] = []
    if let models {
      do throws(SystemError) {
        let count = try FileSystem.names(in: models).count
        findings.append(Finding(level: .fine, subject: "models", text: "\(models): \(count) entries"))
      } catch {
        findings.append(
          Finding(
            level: .problem, subject: "models", text: error.message,
            advice: "make the folder, and readable for the daemon's user"))
      }
    }
    findings.append(
      writable(
        socketFolder, "socket", .problem, "make it for the daemon's user, or give --socket a path that it may write"))
    if let cache = CacheFolder.path {
      findings.append(
        writable(cache, "cache", .note, "set THIMBLE_CACHE; without it every start measures this device anew"))
    } else {
      findings.append(
        Finding(
          level: .note, subject: "cache", text: "no folder: neither THIMBLE_CACHE nor HOME is set",
          advice: "set THIMBLE_CACHE; without it every start measures this device anew"))
    }
    return findings
  }

  /// Whether a file can be made there. A cache that does not exist is made when it is wanted: its parent counts.
  private func writable(_ folder: String, _ subject: String, _ level: Level, _ advice: String) -> Finding {
    let probe = "\(folder)/.thimble-doctor.\(Process.identifier)"
    do throws(SystemError) {
      if subject == "cache" { try FileSystem.createDirectory(folder) }
      _ = try File(creating: probe)
      try FileSystem.remove(probe)
      return Finding(level: .fine, subject: subject, text: "\(folder) can be written")
    } catch {
      return Finding(level: level, subject: subject, text: error.message, advice: advice)
    }
  }

  // MARK: Files

  private func text(_ path: String) -> [String] { ControlGroups.words(in: root + path) }

  /// The first word after the name that a line begins with.
  private func field(_ name: String, in path: String) -> String? { fields(after: name, in: path).first }

  private func fields(after name: String, in path: String) -> [String] {
    guard let bytes = try? File.bytes(of: root + path, limit: 1 << 16) else { return [] }
    for line in bytes.split(separator: UInt8(ascii: "\n")) where line.starts(with: name.utf8) {
      return line.dropFirst(name.utf8.count).split(whereSeparator: { $0 <= 32 }).map {
        String(decoding: $0, as: UTF8.self)
      }
    }
    return []
  }
}

extension [String] {
  /// The texts with `separator` in between.
  fileprivate func joined(_ separator: String) -> String {
    reduce("") { $0.isEmpty ? $1 : $0 + separator + $1 }
  }
}
