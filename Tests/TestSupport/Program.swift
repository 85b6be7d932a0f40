import Foundation

/// The built program, run as a user runs it.
public enum Program {
  /// The folder of the running test bundle, where programs are built too.
  static let buildFolder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()

  /// The `thimble` of the same build.
  public static let built = buildFolder.appendingPathComponent("thimble").path

  /// What THIMBLE_BINARY names, else the same build's.
  public static let chosen = ProcessInfo.processInfo.environment["THIMBLE_BINARY"] ?? built

  /// Another program of the same build.
  public static func named(_ name: String) -> String { buildFolder.appendingPathComponent(name).path }

  public struct Result: Sendable {
    public var status: Int32
    public var output: String
    public var error: String
    public var seconds: Double

    /// Standard output as a JSON object.
    public func json() throws -> [String: Any] {
      let value = try JSONSerialization.jsonObject(with: Data(output.utf8))
      return value as? [String: Any] ?? [:]
    }
  }

  /// Runs `program` to its end, `input` being its standard input.
  public static func run(_ arguments: [String], program: String = built, input: String = "") throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("thimble-run-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let files = ["in", "out", "err"].map { folder.appendingPathComponent($0) }
    try Data(input.utf8).write(to: files[0])
    for file in files[1...] { try Data().write(to: file) }
    let process = Foundation.Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardInput = try FileHandle(forReadingFrom: files[0])
    process.standardOutput = try FileHandle(forWritingTo: files[1])
    process.standardError = try FileHandle(forWritingTo: files[2])
    let start = Date()
    try process.run()
    process.waitUntilExit()
    let seconds = Date().timeIntervalSince(start)
    let status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    return Result(
      status: status, output: String(decoding: try Data(contentsOf: files[1]), as: UTF8.self),
      error: String(decoding: try Data(contentsOf: files[2]), as: UTF8.self), seconds: seconds)
  }
}

/// A folder for one test's files, removed at the end.
public final class TemporaryFolder: Sendable {
  public let path: String

  public init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("thimble-test-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// A path in the folder.
  public func file(_ name: String) -> String { path + "/" + name }

  /// Writes a file; returns its path.
  public func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let url = URL(fileURLWithPath: file(name))
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
    return url.path
  }
}
