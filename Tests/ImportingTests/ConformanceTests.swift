import Foundation
import Importing
import Testing

/// Every operator case and every whole model against the answers of LiteRT's reference kernels, byte for byte.
@Suite struct ConformanceTests {
  @Test(arguments: try! OperatorCases.files())
  func operatorAgreesWithReference(_ file: String) throws {
    let cases = try OperatorCases.read(file)
    #expect(!cases.isEmpty)
    for item in cases {
      let model: ImportedModel
      do {
        model = try importModel(item.model)
      } catch {
        Issue.record("\(item.name): \(error.message)")
        continue
      }
      var executor = NaiveExecutor(model)
      let outputs = executor.run(item.inputs)
      #expect(outputs.count == item.outputs.count, "\(item.name)")
      for (index, pair) in zip(outputs, item.outputs).enumerated() where pair.0 != pair.1 {
        let wrong = zip(pair.0, pair.1).enumerated().filter { $0.element.0 != $0.element.1 }
        let first = wrong.first.map { "first at \($0.offset): \($0.element.0), not \($0.element.1)" } ?? ""
        Issue.record("\(item.name) output \(index): \(wrong.count) of \(pair.1.count) bytes differ, \(first)")
      }
    }
  }

  static let shared = ProcessInfo.processInfo.environment["THIMBLE_TEST_MODELS"] ?? "/work/shared"

  static func goldenCases() -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: shared + "/golden")) ?? []
    return names.filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()
  }

  @Test(.enabled(if: !goldenCases().isEmpty, "no golden answers at \(shared)"), arguments: goldenCases())
  func modelAgreesWithReference(_ name: String) throws {
    let golden = Self.shared + "/golden/"
    let model = Self.shared + "/models/" + name[..<name.lastIndex(of: ".")!] + ".tflite"
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: model)))
    var executor = NaiveExecutor(try importModel(bytes))
    let input = [UInt8](try Data(contentsOf: URL(fileURLWithPath: golden + name + ".in0.bin")))
    let expected = [UInt8](try Data(contentsOf: URL(fileURLWithPath: golden + name + ".out0.bin")))
    let output = executor.run([input])[0]
    let wrong = zip(output, expected).filter { $0 != $1 }.count
    #expect(output.count == expected.count && wrong == 0, "\(wrong) of \(expected.count) bytes differ")
  }
}

/// Imports the bytes of a .tflite file.
func importModel(_ file: [UInt8], batch: Int? = nil) throws(ImportError) -> ImportedModel {
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

/// One model of Tests/Golden/operators with the reference's answer.
struct OperatorCase {
  var name: String
  var model: [UInt8]
  var inputs: [[UInt8]]
  var outputs: [[UInt8]]
}

/// The archives that make_operator_cases.py writes; it documents the layout.
enum OperatorCases {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Golden/operators")

  static func files() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".cases") }.sorted()
  }

  static func read(_ file: String) throws -> [OperatorCase] {
    let data = [UInt8](try Data(contentsOf: folder.appendingPathComponent(file)))
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
