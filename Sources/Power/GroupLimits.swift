import System

/// Where this process's control groups say what they allow of the processors: paths, found once and read often.
struct GroupLimits {
  /// Groups that may have a quota, from this process's up to the root.
  private(set) var quotaDirectories: [(path: String, isUnified: Bool)] = []
  /// Lists the processors that the group may use.
  private(set) var processorsFile: String?
  private(set) var pressureFile: String?
  /// Files that somebody writes to move these limits.
  private(set) var writtenFiles: [String] = []

  init() {}

  /// `root` replaces `/` for tests.
  init(root: String) {
    for group in ControlGroups.read(root: root) {
      if group.isUnified || group.controllers.contains("cpu") {
        let name = group.isUnified ? "/cpu.max" : "/cpu.cfs_quota_us"
        for directory in group.directories(root: root, controller: "cpu") where SensorFile.exists(directory, name) {
          quotaDirectories.append((directory, group.isUnified))
          writtenFiles.append(directory + name)
        }
      }
      if group.isUnified || group.controllers.contains("cpuset") {
        for directory in group.directories(root: root, controller: "cpuset") {
          if SensorFile.exists(directory, "/cpuset.cpus") { writtenFiles.append(directory + "/cpuset.cpus") }
          for name in group.isUnified ? ["/cpuset.cpus.effective"] : ["/cpuset.effective_cpus", "/cpuset.cpus"]
          where processorsFile == nil && SensorFile.exists(directory, name) {
            processorsFile = directory + name
          }
        }
      }
      if group.isUnified {
        pressureFile = group.directories(root: root, controller: "").lazy.map { $0 + "/cpu.pressure" }
          .first { SensorFile.exists($0) }
      }
    }
    let machine = root + "/proc/pressure/cpu"
    if pressureFile == nil, SensorFile.exists(machine) { pressureFile = machine }
  }

  var quota: Double? { ProcessorLimit.leastQuota(of: quotaDirectories) }

  /// `some avg10=1.23 avg60=…`: percent of the last 10 s.
  var pressurePercent: Double? {
    guard let pressureFile else { return nil }
    let words = ControlGroups.words(in: pressureFile)
    guard words.count > 1, words[0] == "some", words[1].utf8.starts(with: "avg10=".utf8) else { return nil }
    // Two decimals, always.
    let digits = words[1].utf8.dropFirst(6).split(separator: UInt8(ascii: "."))
    guard digits.count == 2, digits[1].count == 2, let whole = Int(String(decoding: digits[0], as: UTF8.self)),
      let hundredths = Int(String(decoding: digits[1], as: UTF8.self)), (0...100).contains(whole),
      (0...99).contains(hundredths)
    else { return nil }
    return Double(100 * whole + hundredths) / 100
  }
}
