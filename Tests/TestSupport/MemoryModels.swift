import Importing
import Memory
import ModelFile
import Runtime
import System

extension ImportedModel {
  /// Writes the model to a file in memory and opens it.
  public func opened(_ compression: ModelFileWriter.Compression = .whereItSaves) throws(ModelFileError) -> ModelFile {
    try ModelFile(try written(compression))
  }

  /// The model as a file in memory.
  public func written(_ compression: ModelFileWriter.Compression = .whereItSaves) throws(ModelFileError) -> File {
    let file = try memoryFile([])
    _ = try ModelFileWriter.write(graph, payloads: payloads, to: file, compression: compression)
    return file
  }

  /// The bytes of the `.thimble` file.
  public func fileBytes(_ compression: ModelFileWriter.Compression = .whereItSaves) throws -> [UInt8] {
    let file = try written(compression)
    let count = try file.status().byteCount
    let mapping = try Mapping(reading: file, byteCount: count)
    return Array(mapping.bytes.prefix(count))
  }
}

/// A file in memory with these bytes.
public func memoryFile(_ bytes: [UInt8]) throws(ModelFileError) -> File {
  do throws(SystemError) {
    let file = try File(inMemory: "thimble-test")
    try bytes.withUnsafeBufferPointer { (buffer) throws(SystemError) in
      try file.write(UnsafeRawBufferPointer(buffer), at: 0)
    }
    return file
  } catch {
    throw .system(error)
  }
}

/// Opens the bytes of a `.thimble` file.
public func openModel(_ bytes: [UInt8]) throws(ModelFileError) -> ModelFile { try ModelFile(try memoryFile(bytes)) }

extension Session {
  /// Writes the inputs, runs, and reads the outputs.
  public func answers(to inputs: [[UInt8]], threadLimit: Int = Int.max) -> [[UInt8]] {
    for (index, bytes) in inputs.enumerated() { writeInput(index) { $0.copyBytes(from: bytes) } }
    run(threadLimit: threadLimit)
    return outputs.indices.map { index in
      var bytes = [UInt8](repeating: 0xA5, count: outputs[index].byteCount)
      bytes.withUnsafeMutableBytes { readOutput(index, into: $0) }
      return bytes
    }
  }
}

/// Where two answers differ, for people; nil where they do not.
public func difference(_ actual: [[UInt8]], _ expected: [[UInt8]]) -> String? {
  guard actual.count == expected.count else { return "\(actual.count) outputs, not \(expected.count)" }
  for (index, (a, b)) in zip(actual, expected).enumerated() where a != b {
    guard a.count == b.count else { return "output \(index) has \(a.count) bytes, not \(b.count)" }
    let wrong = a.indices.filter { a[$0] != b[$0] }
    return
      "output \(index): \(wrong.count) of \(b.count) bytes differ, first at \(wrong[0]): \(a[wrong[0]]), not \(b[wrong[0]])"
  }
  return nil
}
