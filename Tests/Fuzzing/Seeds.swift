import Foundation
import Importing
import TestSupport

@testable import ModelFile

/// Seeds for the targets that read models: made of the operators' cases, which the repository has anyway.
enum Seeds {
  static func write(to folder: String) {
    for name in ["tflite", "thimble", "graph"] {
      try! FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
    }
    for file in OperatorCases.files {
      // Small ones teach the fuzzer faster than large ones.
      let cases = try! OperatorCases.read(file).filter { $0.model.count < 2048 }.sorted {
        $0.model.count < $1.model.count
      }
      for (index, each) in cases.prefix(2).enumerated() {
        let name = "\(file.dropLast(6))-\(index)"
        save(each.model, "\(folder)/tflite/\(name)")
        guard let model = try? importModel(each.model) else { continue }
        save(model.graph.encoded(), "\(folder)/graph/\(name)")
        guard let bytes = try? model.fileBytes(.none), bytes.count < 8192 else { continue }
        save(Array(bytes[..<64] + bytes[4096...]), "\(folder)/thimble/\(name)")
      }
    }
  }

  private static func save(_ bytes: [UInt8], _ path: String) { try! Data(bytes).write(to: URL(fileURLWithPath: path)) }
}
