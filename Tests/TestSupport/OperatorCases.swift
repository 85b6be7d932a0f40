import Foundation
import Importing

/// A model with inputs and the reference's answer, in the tensors' own types.
public struct OperatorCase: Sendable {
  public var name: String
  /// A .tflite file.
  public var model: [UInt8]
  public var inputs: [[UInt8]]
  public var outputs: [[UInt8]]
}

/// The archives of tiny models that make_operator_cases.py writes; it documents the layout.
public enum OperatorCases {
  static let folder = SharedFiles.package.appendingPathComponent("Tests/Golden/operators")

  public static let files: [String] =
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.hasSuffix(".cases") }
    .sorted()

  public static func read(_ file: String) throws -> [OperatorCase] {
    let data = try SharedFiles.bytes(folder.appendingPathComponent(file).path)
    var position = 4
    func integer(_ byteCount: Int) -> Int {
      defer { position += byteCount }
      return (0..<byteCount).reduce(0) { $0 | Int(data[position + $1]) << (8 * $1) }
    }
    func bytes(_ count: Int) -> [UInt8] {
      defer { position += count }
      return Array(data[position..<position + count])
    }
    func arrays() -> [[UInt8]] { (0..<integer(1)).map { _ in bytes(integer(4)) } }
    return (0..<integer(4)).map { _ in
      OperatorCase(
        name: String(decoding: bytes(integer(2)), as: UTF8.self), model: bytes(integer(4)), inputs: arrays(),
        outputs: arrays())
    }
  }
}

/// Imports the bytes of a .tflite file.
public func importModel(_ file: [UInt8], batch: Int? = nil) throws(ImportError) -> ImportedModel {
  var result: Result<ImportedModel, ImportError>?
  file.withUnsafeBytes { bytes in
    do throws(ImportError) {
      result = .success(try importTFLite(bytes, name: "test", batch: batch))
    } catch {
      result = .failure(error)
    }
  }
  return try result!.get()
}
