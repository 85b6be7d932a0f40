import Importing
import Memory
import ModelFile
import Runtime
import TestSupport
import Testing

/// Files that are cut off, changed or meant ill give an error, or a model that loads and runs inside its own memory.
@Suite struct HostileFileTests {
  /// Loads and runs what opens. Returns what stopped it, nil where it ran.
  @discardableResult
  private func attack(_ bytes: [UInt8], _ random: inout XorShift, runs: Bool = true) throws -> String? {
    let budget = MemoryBudget(limitByteCount: 4 << 20)
    do throws(ModelFileError) {
      let file = try openModel(bytes)
      guard runs else { return nil }
      return run(file, budget, &random)
    } catch {
      #expect(!error.message.isEmpty)
      #expect(budget.reservedByteCount == 0)
      return error.message
    }
  }

  private func run(_ file: consuming ModelFile, _ budget: MemoryBudget, _ random: inout XorShift) -> String? {
    do {
      let pool = try ThreadPool(threadCount: 1, budget: budget)
      let kernels = Kernels.supported[random.below(Kernels.supported.count)]
      let session = try Session(file, kernels: kernels, pool: pool, budget: budget)
      let inputs = session.inputs.map { random.bytes($0.byteCount) }
      _ = session.answers(to: inputs)
      return nil
    } catch let error as SessionError {
      return error.message
    } catch {
      return "\(error)"
    }
  }

  @Test func truncationAtEveryByte() throws {
    var random = XorShift(1)
    for compression in [ModelFileWriter.Compression.whereItSaves, .none] {
      let bytes = try importModel(try SharedFiles.bytes(SharedFiles.digits)).fileBytes(compression)
      for count in 0..<bytes.count {
        #expect(try attack(Array(bytes[..<count]), &random) != nil, "\(count) bytes")
      }
      #expect(try attack(bytes, &random) == nil)
      #expect(try attack(bytes + [0], &random)?.contains("it was cut off or changed") == true)
    }
  }

  /// Wherever a byte changes, a checksum or a check notices; only the header's unused rest may change.
  @Test func mutationIsNoticed() throws {
    var random = XorShift(2)
    for compression in [ModelFileWriter.Compression.whereItSaves, .none] {
      let original = FileBytes(try importModel(try SharedFiles.bytes(SharedFiles.digits)).fileBytes(compression))
      let graph = try openModel(original.bytes).graph
      var isCovered = [Bool](repeating: false, count: original.bytes.count)
      for range in [0..<64, original.metadata]
        + graph.blobs.flatMap(\.tiles).map({ $0.fileOffset..<$0.fileOffset + $0.storedByteCount })
      {
        for index in range { isCovered[index] = true }
      }
      for _ in 0..<1500 {
        let position = random.below(original.bytes.count)
        var bytes = original.bytes
        bytes[position] ^= UInt8(1 + random.below(255))
        #expect((try attack(bytes, &random) != nil) == isCovered[position], "byte \(position)")
      }
    }
  }

  /// The header's numbers, with its checksum made right.
  @Test func mutatedHeaders() throws {
    var random = XorShift(3)
    let original = FileBytes(try importModel(try SharedFiles.bytes(SharedFiles.digits)).fileBytes())
    let values: [UInt64] = [0, 1, 63, 64, 4095, 4096, 1 << 26, 1 << 31, 1 << 32, 1 << 62, 1 << 63, .max, .max - 4095]
    for _ in 0..<2000 {
      var file = original
      for _ in 0...random.below(2) {
        let offset = 8 + random.below(48)
        if random.below(2) == 0 {
          file.bytes[offset] = UInt8(random.below(256))
        } else {
          let near = UInt64(bitPattern: Int64(file.integer(offset / 8 * 8))) &+ UInt64(random.below(5)) &- 2
          file.set(offset / 8 * 8, random.below(2) == 0 ? near : values[random.below(values.count)])
        }
      }
      file.fixChecksums()
      try attack(file.bytes, &random)
    }
  }

  /// The metadata itself, with right checksums: nothing but the graph's checks stands before the kernels.
  @Test(arguments: OperatorCases.files) func mutatedMetadata(_ name: String) throws {
    var random = XorShift(seed(name))
    let cases = try OperatorCases.read(name).filter { $0.model.count < 6000 }
    var (opened, refused) = (0, 0)
    for round in 0..<400 {
      var file = FileBytes(try importModel(cases[round % cases.count].model).fileBytes(.none))
      let metadata = file.metadata
      for _ in 0...random.below(3) { mutate(&file, metadata, &random) }
      file.fixChecksums()
      if try attack(file.bytes, &random) == nil { opened += 1 } else { refused += 1 }
    }
    // Both paths were taken: some changes are harmless, such as a zero point's.
    #expect(opened > 0 && refused > 0)
  }

  private func mutate(_ file: inout FileBytes, _ metadata: Range<Int>, _ random: inout XorShift) {
    let position = metadata.lowerBound + random.below(metadata.count)
    switch random.below(5) {
    case 0: file.bytes[position] = UInt8(random.below(256))
    case 1: file.bytes[position] ^= 1 << UInt8(random.below(8))
    case 2: file.bytes[position] = [0, 1, 0x7F, 0x80, 0xFF][random.below(5)]
    case 3:
      let value = [UInt64.max, 0x7FFF_FFFF, 0x8000_0000, 1 << 20, 1 << 31, 2, 3][random.below(7)]
      for index in 0..<4 where position + index < metadata.upperBound {
        file.bytes[position + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
      }
    default:
      // Two numbers of the file change places: values that look right where they are wrong.
      let other = metadata.lowerBound + random.below(metadata.count)
      for index in 0..<8 where max(position, other) + index < metadata.upperBound {
        file.bytes.swapAt(position + index, other + index)
      }
    }
  }

  @Test func otherVersionsAreRefused() throws {
    var random = XorShift(4)
    var file = FileBytes(try importModel(try SharedFiles.bytes(SharedFiles.digits)).fileBytes())
    for version in [0, 2, 3, UInt64(UInt32.max)] {
      file.set(8, version, 4)
      file.fixChecksums()
      #expect(
        try attack(file.bytes, &random)
          == "format version \(version) is newer than this build reads (1); import the model again or update thimble")
    }
  }

  @Test func otherFilesAreRefused() throws {
    var random = XorShift(4)
    let text =
      "not a .thimble model: the file does not start with THIMBLE; a .tflite file is converted with `thimble import`, and tables "
      + "are for `thimble inspect` and `serve`"
    #expect(try attack([], &random) == text)
    #expect(try attack(try SharedFiles.bytes(SharedFiles.digits), &random) == text)
    #expect(
      try attack(Array("THIMBLE\n".utf8), &random)
        == "the file should have 4096 bytes and has 8: it was cut off or changed; copy or import it again")
  }
}
