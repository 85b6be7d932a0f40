import Importing
import Memory
import ModelFile
import Runtime
import System

extension Check {
  /// One check for each `.cases` file in a folder: tiny models and what LiteRT's reference kernels answer for them, through
  /// import, container, plan, every supported kernel table, one and two threads.
  ///
  /// `Tests/Golden/make_operator_cases.py` writes the files and documents their layout.
  public static func operatorChecks(in folder: String) throws(SystemError) -> [Check] {
    let suffix = Array(".cases".utf8)
    return try FileSystem.names(in: folder).filter { Array($0.utf8.suffix(suffix.count)) == suffix }.map { name in
      Check("reference answers, " + name) { OperatorArchive.problem(path: folder + "/" + name) }
    }
  }
}

/// A file of reference answers.
private enum OperatorArchive {
  struct Case {
    var name: String
    var model: [UInt8]
    var inputs: [[UInt8]]
    var outputs: [[UInt8]]
  }

  static func problem(path: String) -> String? {
    guard let bytes = try? File.bytes(of: path, limit: 1 << 26), let cases = cases(in: bytes), !cases.isEmpty else {
      return "cannot be read"
    }
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    for threadCount in 1...2 {
      guard let pool = try? ThreadPool(threadCount: threadCount, budget: budget) else { return "no threads" }
      for item in cases {
        for kernels in Kernels.supported {
          if let text = problem(item, kernels, pool, budget) {
            return "\(item.name), \(kernels.name), \(threadCount) threads: \(text)"
          }
        }
      }
    }
    return nil
  }

  private static func problem(_ item: Case, _ kernels: Kernels, _ pool: ThreadPool, _ budget: MemoryBudget) -> String? {
    let session: Session
    do throws(ModelFileError) {
      let file: File
      do { file = try File(inMemory: "thimble-check") } catch { throw .system(error) }
      guard let model = importModel(item.model) else { return "cannot be imported" }
      _ = try ModelFileWriter.write(model.graph, payloads: model.payloads, to: file, compression: .whereItSaves)
      guard let loaded = try? Session(try ModelFile(file), kernels: kernels, pool: pool, budget: budget) else {
        return "cannot be loaded"
      }
      session = loaded
    } catch {
      return error.message
    }
    guard session.inputs.count == item.inputs.count, session.outputs.count == item.outputs.count else {
      return "another number of inputs or outputs"
    }
    for (index, bytes) in item.inputs.enumerated() {
      guard bytes.count == session.inputs[index].byteCount else { return "input \(index) has another size" }
      session.writeInput(index) { $0.copyBytes(from: bytes) }
    }
    session.run()
    for (index, expected) in item.outputs.enumerated() {
      var actual = [UInt8](repeating: 0, count: session.outputs[index].byteCount)
      actual.withUnsafeMutableBytes { session.readOutput(index, into: $0) }
      if actual != expected { return "output \(index) differs" }
    }
    return nil
  }

  private static func importModel(_ bytes: [UInt8]) -> ImportedModel? {
    bytes.withUnsafeBytes { try? importTFLite($0, name: "check") }
  }

  /// Little-endian: magic (4 bytes), count (4); for each case name (2 + text), model (4 + bytes), inputs and outputs (1, then
  /// 4 + bytes each). nil where the file ends too soon.
  private static func cases(in bytes: [UInt8]) -> [Case]? {
    var offset = 4
    func integer(_ count: Int) -> Int? {
      guard bytes.count - offset >= count else { return nil }
      defer { offset += count }
      return (0..<count).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
    }
    func block(_ lengthByteCount: Int) -> [UInt8]? {
      guard let count = integer(lengthByteCount), bytes.count - offset >= count else { return nil }
      defer { offset += count }
      return Array(bytes[offset..<offset + count])
    }
    func blocks() -> [[UInt8]]? {
      guard let count = integer(1) else { return nil }
      var blocks: [[UInt8]] = []
      for _ in 0..<count {
        guard let next = block(4) else { return nil }
        blocks.append(next)
      }
      return blocks
    }
    guard let count = integer(4) else { return nil }
    var cases: [Case] = []
    for _ in 0..<count {
      guard let name = block(2), let model = block(4), let inputs = blocks(), let outputs = blocks() else { return nil }
      cases.append(Case(name: String(decoding: name, as: UTF8.self), model: model, inputs: inputs, outputs: outputs))
    }
    return cases
  }
}
