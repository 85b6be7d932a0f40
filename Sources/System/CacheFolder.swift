/// Small files that may be lost: what was measured on this device, so that it need not be measured again.
public enum CacheFolder {
  /// THIMBLE_CACHE, else `thimble` in the user's cache folder; nil for a user without one.
  public static var path: String? {
    if let folder = Process.environment("THIMBLE_CACHE") { return folder }
    if let folder = Process.environment("XDG_CACHE_HOME") { return folder + "/" + program }
    return Process.environment("HOME").map { $0 + "/.cache/" + program }
  }

  /// What a build without optimization measures is worth nothing to others.
  #if DEBUG
    private static let program = "thimble-debug"
  #else
    private static let program = "thimble"
  #endif

  /// What every file begins with, a line: which build of the program measured. Another's kernels may be faster.
  private static let origin: [UInt8] = {
    let status = try? FileSystem.status(of: "/proc/self/exe")
    return Array("program \(status?.byteCount ?? 0) \(status?.modifiedNanoseconds ?? 0)\n".utf8)
  }()

  /// The bytes that `keep` wrote under that name; nil where there are none, more than `limit`, or those of another build.
  public static func bytes(of name: String, limit: Int) -> [UInt8]? {
    guard let path, let bytes = try? File.bytes(of: path + "/" + name, limit: limit + origin.count),
      bytes.starts(with: origin)
    else { return nil }
    return Array(bytes.dropFirst(origin.count))
  }

  /// Writes the whole file or leaves the old one; where neither is possible nothing is kept, which is no error.
  public static func keep(_ bytes: [UInt8], as name: String) {
    guard let folder = path else { return }
    let temporary = "\(folder)/\(name).\(Process.identifier)"
    do throws(SystemError) {
      // A daemon that serves may no longer make folders, and has made this one.
      try? FileSystem.createDirectory(folder)
      let file = try File(creating: temporary)
      try (origin + bytes).withUnsafeBufferPointer { (bytes) throws(SystemError) in
        try file.write(UnsafeRawBufferPointer(bytes))
      }
      try FileSystem.rename(temporary, to: folder + "/" + name)
    } catch {
      try? FileSystem.remove(temporary)
    }
  }
}
