import System

/// What the firmware says the machine is; empty on machines without a device tree.
public struct DeviceTree: Equatable, Sendable {
  /// The board's name, for people.
  public var model: String = ""
  /// The board, then what it is built of, from the particular to the general: `raspberrypi,4-model-b`, `brcm,bcm2711`.
  public var compatible: [String] = []

  static let directories = ["/proc/device-tree", "/sys/firmware/devicetree/base"]
  /// Bytes of a property that are read.
  static let propertyBytesMax = 4096

  public init() {}

  /// `root` replaces `/` for tests.
  public init(root: String) {
    for directory in DeviceTree.directories where model.isEmpty && compatible.isEmpty {
      model = DeviceTree.texts(root + directory + "/model").first ?? ""
      compatible = DeviceTree.texts(root + directory + "/compatible")
    }
  }

  /// The texts of a property, each of which ends with a zero byte.
  private static func texts(_ path: String) -> [String] {
    guard let bytes = try? File.bytes(of: path, limit: propertyBytesMax) else { return [] }
    return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }

  /// How well a target fits: the length of the longest text that it recognises this machine by; 0 where the architecture is
  /// all that it asks for; nil where it is another machine's.
  func fit(_ target: Target, architecture: String) -> Int? {
    let wanted = target.recognition
    if let wanted = wanted.architecture, wanted != architecture { return nil }
    if wanted.compatiblePrefixes.isEmpty && wanted.modelPrefixes.isEmpty { return wanted.architecture == nil ? nil : 0 }
    var longest: Int?
    for prefix in wanted.modelPrefixes where model.utf8.starts(with: prefix.utf8) {
      longest = max(longest ?? 0, prefix.utf8.count)
    }
    for prefix in wanted.compatiblePrefixes where compatible.contains(where: { $0.utf8.starts(with: prefix.utf8) }) {
      longest = max(longest ?? 0, prefix.utf8.count)
    }
    return longest
  }
}
