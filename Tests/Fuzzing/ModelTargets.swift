import Importing
import Memory
import Runtime
import System

@testable import ModelFile

/// Model files of both formats, as far as running them.
enum ModelTargets {
  private static let budget = MemoryBudget(limitByteCount: 4 << 20)
  private static let pool = try! ThreadPool(threadCount: 1, budget: budget)
  /// Bytes of weights and multiplications and additions above which a model is not run: for speed's sake.
  private static let payloadByteCountMax = 1 << 16
  private static let workMax = 1 << 18

  /// A .tflite file: imported; a model that comes out of it is written, opened and run now and then.
  static func tflite(_ bytes: UnsafeRawBufferPointer) {
    do throws(ImportError) {
      _ = try importingByteCount(bytes, payloadBytesMax: payloadByteCountMax)
      let model = try importTFLite(bytes, name: "fuzz", payloadBytesMax: payloadByteCountMax)
      precondition(model.payloads.count == model.graph.blobs.count)
      for (payload, blob) in zip(model.payloads, model.graph.blobs) { precondition(payload.count == blob.byteCount) }
      if bytes.count % 16 == 4 { run(model.graph, model.payloads) }
    } catch {
      precondition(!error.message.isEmpty)
    }
  }

  /// A .thimble file without its header's zeros: 64 bytes of header, whose checksums are made right, then tiles and metadata.
  static func file(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 64 else { return }
    var header = [UInt8](bytes[..<64])
    let rest = UnsafeRawBufferPointer(rebasing: bytes[64...])
    func integer(_ offset: Int) -> Int { (0..<8).reduce(0) { $0 | Int(header[offset + $1]) << (8 * $1) } }
    func set(_ offset: Int, _ value: UInt64) {
      for index in 0..<8 { header[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
    }
    let (offset, count) = (integer(24) &- 4096, integer(32))
    if offset >= 0, count > 0, offset <= rest.count, count <= rest.count - offset {
      set(48, xxh64(UnsafeRawBufferPointer(rebasing: rest[offset..<offset + count])))
    }
    set(56, header.withUnsafeBytes { xxh64(UnsafeRawBufferPointer(rebasing: $0[..<56])) })
    guard let file = try? File(inMemory: "fuzz") else { return }
    do throws(SystemError) {
      try header.withUnsafeBufferPointer { (bytes) throws(SystemError) in
        try file.write(UnsafeRawBufferPointer(bytes), at: 0)
      }
      try file.write(rest, at: 4096)
    } catch {
      return
    }
    do throws(LoadingError) {
      let model = try ModelFile.open(file, budget: budget)
      if isSmall(model.graph) { run(model) }
    } catch {
      precondition(!error.message.isEmpty)
    }
    checkNothingIsHeld()
  }

  /// The metadata alone: decoded and checked. What the checks accept is written with weights, opened and run.
  static func graph(_ bytes: UnsafeRawBufferPointer) {
    do throws(ModelFileError) {
      let footprint = try GraphFootprint(of: bytes)
      precondition(footprint.byteCount >= 0)
      var graph = try Graph(decoding: bytes)
      try graph.validate(fileByteCount: 1 << 20)
      guard isSmall(graph) else { return }
      let payloads = graph.blobs.map { blob in (0..<blob.byteCount).map { UInt8(truncatingIfNeeded: $0 &* 37) } }
      for index in graph.blobs.indices { graph.blobs[index].tiles = [] }
      run(graph, payloads)
    } catch {
      precondition(!error.message.isEmpty)
    }
  }

  private static func isSmall(_ graph: Graph) -> Bool {
    var (work, byteCount) = (0, 0)
    for blob in graph.blobs {
      byteCount += blob.byteCount
      guard byteCount <= payloadByteCountMax else { return false }
    }
    for node in graph.operators {
      let elements = graph.tensors[node.output].shape.elementCount
      guard elements <= workMax, node.operation.multiplyAdds <= workMax else { return false }
      // Reductions and windows do more than their output's size says.
      let operands = node.inputs.reduce(0) { $0 + min(workMax, graph.tensors[$1].shape.elementCount) }
      work += elements + node.operation.multiplyAdds + operands
      guard work <= workMax else { return false }
    }
    return true
  }

  private static func run(_ graph: Graph, _ payloads: [[UInt8]]) {
    guard isSmall(graph), let file = try? File(inMemory: "fuzz") else { return }
    do throws(ModelFileError) {
      _ = try ModelFileWriter.write(graph, payloads: payloads, to: file, compression: .none)
      run(try ModelFile(file))
    } catch {
      precondition(!error.message.isEmpty)
    }
    checkNothingIsHeld()
  }

  private static func run(_ model: consuming ModelFile) {
    do throws(SessionError) {
      let session = try Session(model, kernels: .best, pool: pool, budget: budget)
      for index in session.inputs.indices {
        session.writeInput(index) { bytes in for byte in bytes.indices { bytes[byte] = UInt8(truncatingIfNeeded: byte) }
        }
      }
      session.run()
      for index in session.outputs.indices {
        withUnsafeTemporaryAllocation(byteCount: session.outputs[index].byteCount, alignment: 64) {
          session.readOutput(index, into: $0)
        }
      }
    } catch {
      precondition(!error.message.isEmpty)
    }
  }

  private static func checkNothingIsHeld() { precondition(budget.reservedByteCount == 0, "a reservation is left") }
}
