import Power
import System

/// A folder of power profiles, one a file `<name>.json`; other files may lie beside them.
public struct PowerProfileDirectory: Sendable {
  public static let installedPath = "/usr/share/thimble/power-profiles"
  static let fileBytesMax = 16 << 10
  /// Describes the others.
  static let schemaName = "schema"

  public let path: String

  public init(_ path: String) { self.path = path }

  /// The file of a profile.
  public func file(named name: String) -> String { path + "/" + name + TargetDirectory.suffix }

  /// Names of the profiles, in byte order; those that need no file where the folder is missing.
  public var names: [String] {
    guard let names = try? TargetDirectory(path).names() else { return PowerProfile.standard.map { $0.name } }
    return names.filter { $0 != PowerProfileDirectory.schemaName }
  }

  /// The profile of that name: its file, or else the one that comes with the program. Errors: neither is there, or the file is
  /// malformed.
  public func profile(named name: String) throws(TargetError) -> PowerProfile {
    guard TargetDirectory.isPlainName(name) else { throw .badName(name) }
    let file = file(named: name)
    let bytes: [UInt8]
    do { bytes = try File.bytes(of: file, limit: PowerProfileDirectory.fileBytesMax) } catch {
      guard error.isNotFound else { throw .system(error) }
      if let standard = PowerProfile.standard.first(where: { $0.name == name }) { return standard }
      throw .unknownProfile(name: name, directory: path, known: names)
    }
    return try bytes.withUnsafeBufferPointer { (bytes) throws(TargetError) in
      try PowerProfile(parsing: UnsafeRawBufferPointer(bytes), name: name, path: file)
    }
  }

  /// What a governor needs to follow the profile of that name: it, and the three standard ones as the folder has them.
  public func profiles(for name: String) throws(TargetError) -> (wanted: PowerProfile, others: [PowerProfile]) {
    let wanted = try profile(named: name)
    var others: [PowerProfile] = []
    for standard in PowerProfile.standard { others.append(try profile(named: standard.name)) }
    return (wanted, others)
  }
}
