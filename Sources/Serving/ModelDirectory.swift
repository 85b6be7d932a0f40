import Signatures
import System

/// The files of a model repository: `<model>/<version>/model.thimble` and `<model>/config.json`.
struct ModelDirectory: Sendable {
  let path: String
  /// Whose signature a model's file must have to be loaded; nil: none is needed.
  let trustedKeys: TrustedKeys?

  init(_ path: String, trusting trustedKeys: TrustedKeys? = nil) {
    self.path = path
    self.trustedKeys = trustedKeys
  }

  /// Whether a text may name a model: one plain, visible component of a path. A client's text is never joined into a
  /// path before this has been asked.
  static func isPlainName(_ name: String) -> Bool {
    let bytes = name.utf8
    return !bytes.isEmpty && bytes.count <= ServingLimits.nameBytesMax && bytes.first != UInt8(ascii: ".")
      && !bytes.contains { $0 == UInt8(ascii: "/") || $0 < 0x20 || $0 == 0x7F }
  }

  /// A version's number: digits without a leading zero.
  static func version(_ text: String) -> Int? {
    let bytes = Array(text.utf8)
    guard let first = bytes.first, first != UInt8(ascii: "0"), bytes.count <= 18,
      bytes.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") })
    else { return nil }
    return Int(text)
  }

  /// Names of the models, in byte order.
  func models() throws(ServingError) -> [String] {
    let names: [String]
    do { names = try FileSystem.names(in: path) } catch { throw .repository(error) }
    var models: [String] = []
    for name in names where models.count < ServingLimits.modelsMax && ModelDirectory.isPlainName(name) {
      if try contains(name) { models.append(name) }
    }
    return models
  }

  /// Versions of a model that have a file, ascending; the highest where there are too many.
  func versions(of model: String) throws(ServingError) -> [Int] {
    var versions: [Int] = []
    for name in try present({ () throws(SystemError) in try FileSystem.names(in: path + "/" + model) }) ?? [] {
      guard let version = ModelDirectory.version(name) else { continue }
      if try status(of: file(of: model, version: version))?.isRegular == true { versions.append(version) }
    }
    return Array(versions.sorted().suffix(ServingLimits.versionsMax))
  }

  /// Whether a directory is a model's: it has a version or a configuration. Others may lie beside them.
  func contains(_ model: String) throws(ServingError) -> Bool {
    if try !versions(of: model).isEmpty { return true }
    return try status(of: configurationFile(of: model))?.isRegular == true
  }

  /// Opens a file of the repository. Errors: a link leads out of it.
  func open(_ file: String) throws(SystemError) -> File {
    try File(reading: String(decoding: file.utf8.dropFirst(path.utf8.count + 1), as: UTF8.self), beneath: path)
  }

  /// Nil where there is no such file.
  func status(of file: String) throws(ServingError) -> FileStatus? {
    try present { () throws(SystemError) in try FileSystem.status(of: file) }
  }

  /// Nil where nothing is there, or nothing to be looked at. Errors: the machine is out of something, or the disk fails, which says
  /// nothing of the files.
  private func present<Result>(_ body: () throws(SystemError) -> Result) throws(ServingError) -> Result? {
    do throws(SystemError) { return try body() } catch {
      if error.isShortage || error.code == SystemError.inputOutput { throw .repository(error) }
      return nil
    }
  }

  func file(of model: String, version: Int) -> String {
    path + "/" + model + "/\(version)/" + ModelRepository.modelFileName
  }

  /// A file that a warm-up reads: the version's own, or the model's.
  func warmupFile(_ name: String, of model: String, version: Int? = nil) -> String {
    path + "/" + model + (version.map { "/\($0)" } ?? "") + "/warmup/" + name
  }

  func configurationFile(of model: String) -> String { path + "/" + model + "/config.json" }
}
