import Devices
import Memory
import Serving
import System

/// What the daemon gives up before it has threads: privileges, and the files that are none of its business. The server gives up
/// the rest once it listens.
struct DaemonIsolation {
  /// Landlock's version; nil where files are not restricted.
  private(set) var landlockVersion: Int?
  private(set) var forbidsNewPrivileges = false
  private(set) var hasDroppedCapabilities = false
  /// What is not in force, and why.
  private(set) var remarks: [String] = []
  private let reads: [String]
  private let writes: [String]

  /// `program`: this program's own file, by which the device is measured.
  init(_ configuration: ServerConfiguration, profiles: String?) {
    let root = configuration.systemRoot
    var reads = [configuration.modelsDirectory, "/sys", "/proc", "/proc/self/exe"]
    reads += [profiles ?? PowerProfileDirectory.installedPath, TargetDirectory.installedPath]
    // What boards' tools have chosen: see FirmwareSensors.
    reads += ["/etc/nvpmodel.conf", "/var/lib/nvpmodel", "/var/lib/power-profiles-daemon"]
    if !root.isEmpty { reads.append(root) }
    // Read again after SIGHUP, and with it who is who.
    if let file = configuration.clientsFile {
      reads += [DaemonIsolation.folder(of: file), "/etc/passwd", "/etc/group"]
    }
    self.reads = reads
    // Control groups and pressure files are written to be told of pressure, shared memory for clients.
    var writes = ["/dev/shm", "/dev/null", root + "/sys/fs/cgroup", root + "/proc/pressure"]
    if !configuration.socketPath.isEmpty { writes.append(DaemonIsolation.folder(of: configuration.socketPath)) }
    if let cache = CacheFolder.path {
      try? FileSystem.createDirectory(cache)
      writes.append(cache)
    }
    if let folder = configuration.traceFolder { writes.append(folder) }
    self.writes = writes
  }

  private static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.utf8.startIndex ? "/" : String(decoding: path.utf8[..<slash], as: UTF8.self)
  }

  /// `keepsCapabilities`: those that it takes to become another user, whereby they go.
  mutating func enter(keepsCapabilities: Bool) {
    do throws(SystemError) {
      try Isolation.forbidNewPrivileges()
      forbidsNewPrivileges = true
      landlockVersion = try Isolation.restrictFiles(reading: reads, writing: writes)
    } catch {
      remarks.append("files are not restricted: \(error.message)")
    }
    guard !keepsCapabilities else { return }
    do throws(SystemError) {
      try Isolation.dropCapabilities()
      hasDroppedCapabilities = true
    } catch {
      remarks.append("capabilities are kept: \(error.message)")
    }
  }

  // MARK: What is in force

  func write(_ server: Server, _ configuration: ServerConfiguration, isJSON: Bool) {
    let user = server.user
    if isJSON {
      writeJSON(user, isFiltered: server.areCallsFiltered)
      return
    }
    Console.line(
      "user            \(user.uid), group \(user.gid)\(user.uid == 0 ? ": --user NAME runs it as another one" : "")")
    Console.line(
      "socket          \(configuration.socketPath.isEmpty ? "passed" : configuration.socketPath): owner and group only")
    Console.line("new privileges  \(forbidsNewPrivileges ? "forbidden" : "possible")")
    Console.line("capabilities    \(hasDroppedCapabilities || user.uid != 0 ? "none" : "kept")")
    Console.line(
      "files           "
        + (landlockVersion.map {
          "restricted (Landlock \($0)): \(reads.count) folders to read, \(writes.count) to write"
        } ?? "not restricted"))
    Console.line(
      "system calls    "
        + (!server.areCallsFiltered
          ? "not filtered"
          : "\(Isolation.allowedCalls.count) allowed; forbidden ones "
            + (Isolation.refusesForbiddenCalls ? "are refused" : "ARE NOT refused")))
    for remark in remarks { Console.line("note            \(remark)") }
  }

  /// `system_calls` are those that the filter allows, in force or not.
  private func writeJSON(_ user: Isolation.User, isFiltered: Bool) {
    let names = Isolation.allowedCalls.map { "\"\($0)\"" }.joined(separator: ",")
    let refuses = !isFiltered ? "null" : Isolation.refusesForbiddenCalls ? "true" : "false"
    Console.line(
      "{\"uid\":\(user.uid),\"gid\":\(user.gid),\"no_new_privileges\":\(forbidsNewPrivileges),"
        + "\"capabilities\":\(!(hasDroppedCapabilities || user.uid != 0)),\"landlock\":\(landlockVersion.map { "\($0)" } ?? "null"),"
        + "\"system_calls\":[\(names)],\"refuses_forbidden_calls\":\(refuses)}")
  }
}
