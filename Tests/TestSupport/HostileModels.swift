import Importing
import ModelFile
import Tensors

/// Files that are small and ask for much memory.
public enum HostileModels {
  private static func tensor() -> TensorInfo {
    TensorInfo(name: "", elementType: .uint8, shape: Shape([64]), quantization: nil)
  }

  /// A chain of reshapes: fifteen bytes of metadata an operator, compressed to almost nothing.
  public static func reshapes(_ count: Int) throws -> [UInt8] {
    let graph = Graph(
      name: "", tensors: (0...count).map { _ in tensor() },
      operators: (0..<count).map { Operator(name: "", operation: .reshape, inputs: [$0], output: $0 + 1) }, inputs: [0],
      outputs: [count], blobs: [])
    return try ImportedModel(graph: graph, payloads: []).fileBytes()
  }

  /// Sums of raw constants of 64 bytes, each alone in 64 KiB of the file.
  public static func sparseConstants(_ count: Int) throws -> [UInt8] {
    let constants = (0..<count).map { index in
      TensorInfo(name: "", elementType: .uint8, shape: Shape([64]), constant: index)
    }
    let factor = FixedPointFactor(multiplier: 1 << 30, shift: 1)
    let sum = Arithmetic(
      kind: .add, extents: [64], firstStrides: [1], secondStrides: [1], firstZeroPoint: 0, secondZeroPoint: 0,
      outputZeroPoint: 0, firstFactor: factor, secondFactor: factor, outputFactor: factor, clampMin: 0, clampMax: 255,
      fusedForm: nil)
    let graph = Graph(
      name: "", tensors: [tensor()] + constants + constants.map { _ in tensor() },
      operators: (0..<count).map { index in
        Operator(
          name: "", operation: .arithmetic(sum), inputs: [index == 0 ? 0 : count + index, 1 + index],
          output: count + 1 + index)
      }, inputs: [0], outputs: [2 * count],
      blobs: constants.map { _ in Blob(byteCount: 64, tiles: []) })
    var random = XorShift(5)
    let dense = try ImportedModel(graph: graph, payloads: constants.map { _ in random.bytes(64) }).fileBytes(.none)
    return spread(dense, count)
  }

  /// Moves tile i of 64 bytes to 4096 + i · 65536.
  private static func spread(_ dense: [UInt8], _ count: Int) -> [UInt8] {
    func integer(_ offset: Int) -> Int { (0..<8).reduce(0) { $0 | Int(dense[offset + $1]) << (8 * $1) } }
    func little(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    var metadata = Array(dense[integer(24)..<integer(24) + integer(32)])
    var bytes = Array(dense[..<4096])
    var position = 0
    for index in 0..<count {
      let old = 4096 + 64 * index
      let record = little(UInt64(old)) + [64, 0, 0, 0, 64, 0, 0, 0]
      while !metadata[position...].starts(with: record) { position += 1 }
      metadata.replaceSubrange(position..<position + 8, with: little(UInt64(4096 + index << 16)))
      bytes += dense[old..<old + 64] + [UInt8](repeating: 0, count: 65536 - 64)
    }
    let start = bytes.count
    bytes += metadata
    bytes.replaceSubrange(16..<24, with: little(UInt64(bytes.count)))
    bytes.replaceSubrange(24..<32, with: little(UInt64(start)))
    bytes.replaceSubrange(48..<56, with: little(metadata.withUnsafeBytes { xxh64($0) }))
    bytes.replaceSubrange(
      56..<64, with: little(bytes.withUnsafeBytes { xxh64(UnsafeRawBufferPointer(rebasing: $0[..<56])) }))
    return bytes
  }

  /// A .tflite file with `count` tensors that are one table with a name of 255 bytes.
  public static func oneTensorManyTimes(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = [0, 0, 0, 0] + Array("TFL3".utf8)
    func little(_ value: Int, _ byteCount: Int) -> [UInt8] {
      (0..<byteCount).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    func patch(_ position: Int, _ target: Int) {
      bytes.replaceSubrange(position..<position + 4, with: little(target - position, 4))
    }
    func align() { while bytes.count % 4 != 0 { bytes.append(0) } }
    func table(_ fields: [Int], _ payload: [UInt8]) -> Int {
      align()
      let start = bytes.count
      for value in [4 + 2 * fields.count, 4 + payload.count] + fields { bytes += little(value, 2) }
      align()
      let position = bytes.count
      bytes += little(position - start, 4) + payload
      return position
    }
    let model = table([4, 0, 8, 0, 12], little(3, 4) + little(0, 8))
    patch(0, model)
    patch(model + 8, bytes.count)
    let subgraphs = bytes.count
    bytes += little(1, 4) + little(0, 4)
    patch(model + 12, bytes.count)
    bytes += little(0, 4)
    let subgraph = table([4], little(0, 4))
    patch(subgraphs + 4, subgraph)
    patch(subgraph + 4, bytes.count)
    let offsets = bytes.count + 4
    bytes += little(count, 4) + [UInt8](repeating: 0, count: 4 * count)
    let tensor = table([0, 0, 0, 4], little(0, 4))
    patch(tensor + 4, bytes.count)
    bytes += little(255, 4) + [UInt8](repeating: 110, count: 256)
    for index in 0..<count { patch(offsets + 4 * index, tensor) }
    return bytes
  }
}
