import Foundation

/// Files that tests read: the package's own, and models and golden answers that lie beside it.
public enum SharedFiles {
  /// The package's folder.
  public static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// The folder with `models/` and `golden/`: what THIMBLE_TEST_MODELS names, else `../shared` beside the package.
  public static let root =
    ProcessInfo.processInfo.environment["THIMBLE_TEST_MODELS"]
    ?? package.deletingLastPathComponent().appendingPathComponent("shared").path

  /// Why tests of whole models are skipped; nil where they are not.
  public static let whyAbsent: String? = {
    if FileManager.default.fileExists(atPath: root + "/models") { return nil }
    let reason = "no models at \(root)/models; THIMBLE_TEST_MODELS names a folder with models/ and golden/"
    FileHandle.standardError.write(Data("SKIPPED: every test of whole models: \(reason)\n".utf8))
    return reason
  }()

  public static var arePresent: Bool { whyAbsent == nil }

  /// The digits model that ships with the project.
  public static let digits = package.appendingPathComponent("models/digits/digits.tflite").path

  /// Quantized networks, by path: the shared ones and the digits model.
  public static let models: [String] = {
    guard arePresent else { return [digits] }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: root + "/models")) ?? []
    let good = names.filter { $0.hasSuffix(".tflite") && $0 != "model_invoking_error.tflite" }
    return good.sorted().map { "\(root)/models/\($0)" } + [digits]
  }()

  /// Names of golden cases: `<model>.<case>`.
  public static let goldenCases: [String] = {
    guard arePresent else { return [] }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: root + "/golden")) ?? []
    return names.filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()
  }()

  public static func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  /// The model of a golden case, its input and the reference's answer.
  public static func golden(_ name: String) throws -> OperatorCase {
    OperatorCase(
      name: name, model: try bytes("\(root)/models/\(name[..<name.lastIndex(of: ".")!]).tflite"),
      inputs: [try bytes("\(root)/golden/\(name).in0.bin")], outputs: [try bytes("\(root)/golden/\(name).out0.bin")])
  }
}
