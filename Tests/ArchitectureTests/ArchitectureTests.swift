import Foundation
import TestSupport
import Testing

/// The order of the modules, and what none of them may do.
@Suite struct ArchitectureTests {
  /// Lowest first: a module imports only what stands above it here. C modules and libraries come first.
  static let order = [
    "CSystem", "CKernels", "CZstd", "CNghttp2", "CSodium", "Tensors", "System", "ModelFile", "Importing", "Memory",
    "Tables", "Runtime",
    "Power",
    "Protocols", "GRPC", "Signatures", "Devices",
    "Serving", "ThimbleClient", "Checks", "thimble", "thimble-selftest", "thimble-grpc",
    // Last: it is for programs in C, and nothing here may import it.
    "CThimbleClient",
  ]
  /// Modules of the toolchain that the Embedded subset has.
  static let toolchain: Set = ["Synchronization"]
  static let lineCountMax = 400

  struct Source {
    let module: String
    let path: String
    let lines: [Substring]
  }

  static let sources: [Source] = {
    let folder = SharedFiles.package.appendingPathComponent("Sources")
    let paths = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
    return paths.sorted().filter { $0.hasSuffix(".swift") || $0.hasSuffix(".c") || $0.hasSuffix(".h") }.map { path in
      let text = (try? String(contentsOf: folder.appendingPathComponent(path), encoding: .utf8)) ?? ""
      return Source(
        module: String(path.prefix(while: { $0 != "/" })), path: path,
        lines: text.split(separator: "\n", omittingEmptySubsequences: false))
    }
  }()

  @Test func everyFolderIsInTheOrder() throws {
    let folder = SharedFiles.package.appendingPathComponent("Sources").path
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
      #expect(Self.order.contains(name), "Sources/\(name) is not in the order of modules")
    }
    #expect(Self.sources.count > 100)
  }

  @Test func importsPointUpwardsInTheOrder() {
    for source in Self.sources where source.path.hasSuffix(".swift") {
      let place = Self.order.firstIndex(of: source.module) ?? 0
      for line in source.lines {
        guard let module = imported(line) else { continue }
        if Self.toolchain.contains(module) { continue }
        guard let other = Self.order.firstIndex(of: module) else {
          Issue.record(
            "Sources/\(source.path) imports \(module), which is no module of Thimble's and not in the Embedded subset")
          continue
        }
        #expect(other < place, "Sources/\(source.path) imports \(module), which does not stand below \(source.module)")
      }
    }
  }

  /// The module that a line imports: `import X`, `public import struct X.Y`, `@_exported import X`.
  private func imported(_ line: Substring) -> String? {
    let words = line.split(separator: " ")
    guard let index = words.firstIndex(of: "import"),
      words[..<index].allSatisfy({
        $0.hasPrefix("@") || ["public", "internal", "private", "package", "fileprivate"].contains($0)
      })
    else { return nil }
    let kinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
    let rest = words[(index + 1)...].drop(while: { kinds.contains(String($0)) })
    return rest.first.map { String($0.prefix(while: { $0 != "." })) }
  }

  @Test func importsAreFound() {
    #expect(imported("import System") == "System" && imported("public import struct Tensors.Shape") == "Tensors")
    #expect(imported("@_exported import CSystem") == "CSystem" && imported("// we import nothing") == nil)
  }

  @Test func filesAreShort() {
    for source in Self.sources {
      #expect(
        source.lines.count <= Self.lineCountMax, "Sources/\(source.path) has \(source.lines.count) lines: split it")
    }
  }
}
