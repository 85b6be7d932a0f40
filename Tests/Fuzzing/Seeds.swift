import Foundation
import Importing
import Tables
import TestSupport

@testable import ModelFile

/// Seeds for the targets that read models: made of the operators' cases, which the repository has anyway.
enum Seeds {
  static func write(to folder: String) {
    for name in ["tflite", "thimble", "graph"] {
      try! FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
    }
    writeTables(to: folder)
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

  /// Small tables, and what they are made of.
  private static func writeTables(to folder: String) {
    for name in ["table", "source"] {
      try! FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
    }
    let csv = Array("a,b,c\nx,1,y\n\"z \"\"q\"\"\",2,w\nb,-3.5e2,\n".utf8)
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), }"
    header += String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    let npy =
      [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(header.utf8) + (0..<48).map { UInt8($0 % 4 == 3 ? 63 : $0) }
    save([0] + csv, "\(folder)/source/csv")
    for kind: UInt8 in [1, 2, 129] {
      save([kind] + npy + Array("\na\nb\nc\nd\n".utf8.prefix(kind == 2 ? 9 : 0)), "\(folder)/source/npy\(kind)")
    }
    csv.withUnsafeBytes { _ = try! TableImport.write(csv: $0, key: nil, to: "\(folder)/table/csv", compresses: false) }
    npy.withUnsafeBytes {
      _ = try! TableImport.write(npy: $0, keys: nil, quantizes: false, to: "\(folder)/table/floats", compresses: false)
      _ = try! TableImport.write(npy: $0, keys: nil, quantizes: true, to: "\(folder)/table/bytes", compresses: false)
    }
  }

  private static func save(_ bytes: [UInt8], _ path: String) { try! Data(bytes).write(to: URL(fileURLWithPath: path)) }
}
