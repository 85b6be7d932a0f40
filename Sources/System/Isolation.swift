import CSystem

/// What this process gives up for good.
public enum Isolation {
  /// Whoever runs the process.
  public struct User: Equatable, Sendable {
    public let uid: UInt32
    public let gid: UInt32

    public static var current: User { User(uid: thimble_user(), gid: thimble_group()) }

    init(uid: UInt32, gid: UInt32) {
      self.uid = uid
      self.gid = gid
    }

    /// Nil where there is no such user or group. `group`: else the user's own.
    public init?(named user: String, group: String?) {
      var (uid, gid): (UInt32, UInt32) = (0, 0)
      let status =
        if let group { thimble_find_user(user, group, &uid, &gid) } else { thimble_find_user(user, nil, &uid, &gid) }
      guard status == 0 else { return nil }
      self.init(uid: uid, gid: gid)
    }
  }

  /// No program that this one becomes has more rights than it. Errors: an old kernel.
  public static func forbidNewPrivileges() throws(SystemError) {
    try check("forbid new privileges", thimble_forbid_new_privileges())
  }

  /// The calling thread and those that it starts have no capabilities from now on.
  public static func dropCapabilities() throws(SystemError) {
    try check("drop capabilities", thimble_drop_capabilities())
  }

  /// All threads run as another user, without supplementary groups, and cannot go back.
  public static func become(_ user: User) throws(SystemError) {
    try check("run as user", thimble_become_user(user.uid, user.gid), "\(user.uid):\(user.gid)")
  }

  /// Makes a file another user's.
  public static func give(_ path: String, to user: User) throws(SystemError) {
    try check("give to another user", thimble_give_file(path, user.uid, user.gid), path)
  }

  // MARK: System calls

  /// Names of the system calls that are left after `filterCalls`.
  public static var allowedCalls: [String] {
    var names: [String] = []
    while let name = thimble_allowed_call(Int32(names.count)) { names.append(String(cString: name)) }
    return names
  }

  /// Every other system call, of any thread, fails from now on (EPERM). Errors: the kernel has no such filters.
  public static func filterCalls() throws(SystemError) {
    try check("guard mapped files", thimble_prepare_guards())
    try check("filter system calls", thimble_filter_calls())
  }

  /// Whether what is forbidden is refused: to become another program, to look into one, to talk to other machines, to
  /// make memory executable.
  public static var refusesForbiddenCalls: Bool { thimble_try_forbidden_calls() == 0 }

  // MARK: Files

  /// From now on the calling thread and those that it starts read only what is beneath `reading` and `writing`, and write only
  /// beneath the latter. What is not there is left out. Returns the kernel's version of Landlock. Errors: it has none.
  public static func restrictFiles(reading: [String], writing: [String]) throws(SystemError) -> Int {
    let version = thimble_landlock_version()
    try check("restrict files", min(0, version))
    let rules = thimble_landlock_create(version)
    try check("restrict files", min(0, rules))
    for path in reading { _ = thimble_landlock_allow(rules, version, path, false) }
    for path in writing { _ = thimble_landlock_allow(rules, version, path, true) }
    try check("restrict files", thimble_landlock_enter(rules))
    return Int(version)
  }

  private static func check(
    _ operation: StaticString, _ status: Int32, _ subject: String = ""
  ) throws(SystemError) {
    guard status == 0 else { throw SystemError(operation, subject, code: -status) }
  }
}
