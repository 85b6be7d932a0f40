import System

/// A folder of targets, one a file `<name>.json`; other files may lie beside them.
public struct TargetDirectory: Sendable {
  public static let installedPath = "/usr/share/thimble/targets"
  static let suffix = ".json"
  static let fileBytesMax = 16 << 10
  static let targetsMax = 256

  public let path: String

  public init(_ path: String) { self.path = path }

  /// Names of the targets, in byte order.
  public func names() throws(TargetError) -> [String] {
    let files: [String]
    do { files = try FileSystem.names(in: path) } catch { throw .system(error) }
    let names = files.filter {
      $0.utf8.count > TargetDirectory.suffix.utf8.count && $0.hasSuffix(TargetDirectory.suffix)
    }
    .map { String(decoding: $0.utf8.dropLast(TargetDirectory.suffix.utf8.count), as: UTF8.self) }
    .filter { TargetDirectory.isPlainName($0) }
    return Array(names.prefix(TargetDirectory.targetsMax))
  }

  /// The target of that name. Errors: none has it, or its file is malformed.
  public func target(named name: String) throws(TargetError) -> Target {
    guard TargetDirectory.isPlainName(name) else { throw .badName(name) }
    let file = path + "/" + name + TargetDirectory.suffix
    let bytes: [UInt8]
    do { bytes = try File.bytes(of: file, limit: TargetDirectory.fileBytesMax) } catch {
      if error.isNotFound {
        throw .unknown(name: name, directory: path, known: (try? names()) ?? [])
      }
      throw .system(error)
    }
    return try bytes.withUnsafeBufferPointer { (bytes) throws(TargetError) in
      try Target(parsing: UnsafeRawBufferPointer(bytes), name: name, path: file)
    }
  }

  /// The target that fits this machine best; nil where none does. Errors: a malformed file.
  public func recognised(
    tree: DeviceTree = DeviceTree(root: ""), architecture: String = Architecture.name
  ) throws(TargetError) -> Target? {
    var best: (target: Target, fit: Int)?
    for name in try names() {
      let target = try target(named: name)
      guard let fit = tree.fit(target, architecture: architecture), fit > best?.fit ?? -1 else { continue }
      best = (target, fit)
    }
    return best?.target
  }

  /// Letters, digits, dots and dashes, no dot first.
  static func isPlainName(_ name: String) -> Bool {
    guard let first = name.utf8.first, first != UInt8(ascii: "."), name.utf8.count <= 128 else { return false }
    return name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
        true
      default: false
      }
    }
  }
}
