import System

/// The files of a model repository: `<model>/<version>/model.thimble` and `<model>/config.json`.
struct ModelDirectory: Sendable {
  let path: String

  init(_ path: String) { self.path = path }

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
    let models = names.filter { ModelDirectory.isPlainName($0) && contains($0) }
    return Array(models.prefix(ServingLimits.modelsMax))
  }

  /// Versions of a model that have a file, ascending; the highest where there are too many.
  func versions(of model: String) -> [Int] {
    guard let names = try? FileSystem.names(in: path + "/" + model) else { return [] }
    var versions: [Int] = []
    for name in names {
      guard let version = ModelDirectory.version(name),
        (try? FileSystem.status(of: file(of: model, version: version)))?.isRegular == true
      else { continue }
      versions.append(version)
    }
    return Array(versions.sorted().suffix(ServingLimits.versionsMax))
  }

  /// Whether a directory is a model's: it has a version or a configuration. Others may lie beside them.
  func contains(_ model: String) -> Bool {
    !versions(of: model).isEmpty || (try? FileSystem.status(of: configurationFile(of: model)))?.isRegular == true
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
