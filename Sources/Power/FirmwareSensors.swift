import System

/// What the board's firmware and its tools say: throttling, modes, the user's wish.
struct FirmwareSensors {
  private var throttleFile: String?
  private var modeFile: String?
  private var mode: (status: [UInt8], mode: PowerReadings.BoardMode)?
  private(set) var profileFile: String?
  /// Where power-profiles-daemon keeps what was chosen: it replaces the file.
  private var profileFolder: String?
  private let configuration: String

  var hasThrottleWord: Bool { throttleFile != nil }
  /// Files whose drivers say when they change.
  var watchedFiles: [String] { [throttleFile, profileFile].compactMap { $0 } }
  /// Files that somebody writes, and folders where somebody replaces one.
  var writtenFiles: [String] { [modeFile, profileFolder].compactMap { $0 } }

  private let knownThrottleFile: String

  /// `throttleFile` is where the board has its word, if that is known.
  init(root: String, throttleFile: String?) {
    configuration = root + "/etc/nvpmodel.conf"
    knownThrottleFile = root + (throttleFile ?? "/sys/devices/platform/soc/soc:firmware/get_throttled")
  }

  mutating func scan(root: String) {
    func existing(_ path: String) -> String? { SensorFile.exists(path) ? path : nil }
    throttleFile = existing(knownThrottleFile)
    // Newer boards call the system on a chip otherwise.
    let driver = root + "/sys/bus/platform/drivers/raspberrypi-firmware"
    for name in throttleFile == nil ? SensorFile.names(driver) : [] where throttleFile == nil {
      throttleFile = existing(driver + "/" + name + "/get_throttled")
    }
    modeFile = existing(root + "/var/lib/nvpmodel/status")
    mode = nil
    profileFile = existing(root + "/sys/firmware/acpi/platform_profile")
    let folder = root + "/var/lib/power-profiles-daemon"
    profileFolder = existing(folder + FirmwareSensors.profileState) == nil ? nil : folder
  }

  mutating func read(into readings: inout PowerReadings) {
    if let word = throttleFile.flatMap({ SensorFile.hexadecimal($0) }) {
      // From bit 16 on it says what was once.
      readings.firmware.isUndervolted = word & 1 != 0
      readings.firmware.isCapped = word & 2 != 0
      readings.firmware.isThrottled = word & 4 != 0
      readings.firmware.isSoftLimited = word & 8 != 0
    }
    if let status = modeFile.flatMap({ SensorFile.bytes($0) }) {
      if mode?.status != status {
        mode = FirmwareSensors.modeNumber(status).map { (status, JetsonModes.mode($0, configuration: configuration)) }
      }
      readings.boardMode = mode?.mode
    }
    // Where the firmware knows profiles the daemon sets them, and others do too.
    switch profileFile.flatMap({ SensorFile.text($0) }) ?? profileFolder.flatMap({ FirmwareSensors.chosenProfile($0) })
    {
    case "low-power", "cool", "quiet", "power-saver": readings.platformProfile = .powerSaver
    case "balanced": readings.platformProfile = .balanced
    case "balanced-performance", "performance": readings.platformProfile = .performance
    default: break
    }
  }

  private static let profileState = "/state.ini"

  /// The line `Profile=power-saver`.
  private static func chosenProfile(_ folder: String) -> String? {
    let name = Array("Profile=".utf8)
    let lines = SensorFile.bytes(folder + profileState)?.split(separator: UInt8(ascii: "\n")) ?? []
    guard let line = lines.first(where: { $0.starts(with: name) }) else { return nil }
    return String(decoding: line.dropFirst(name.count), as: UTF8.self)
  }

  /// `pmode:0002`, perhaps with more after it.
  private static func modeNumber(_ status: [UInt8]) -> Int? {
    guard status.starts(with: "pmode:".utf8) else { return nil }
    let digits = status.dropFirst(6).prefix { (48...57).contains($0) }
    return digits.count <= 4 ? SensorFile.number(digits, radix: 10).map { Int($0) } : nil
  }
}
