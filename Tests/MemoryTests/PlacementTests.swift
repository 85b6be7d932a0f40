import Importing
import Memory
import ModelFile
import TestSupport
import Testing

@Suite struct ActivationPlannerTests {
  private typealias Buffer = ActivationPlanner.Buffer

  /// Bytes alive at once, at most: no placement can need less.
  private func lowerBound(_ buffers: [ActivationPlanner.Buffer]) -> Int {
    let last = buffers.map(\.lastStep).max() ?? 0
    return (-1...last).map { step in
      buffers.filter { $0.firstStep <= step && step <= $0.lastStep }.reduce(0) { $0 + ($1.byteCount + 63) / 64 * 64 }
    }.max() ?? 0
  }

  @Test func randomLifetimesDoNotOverlap() {
    var random = XorShift(77)
    for round in 0..<300 {
      let steps = 1 + random.below(40)
      let buffers = (0..<random.below(60)).map { _ in
        let first = random.below(steps) - 1
        return Buffer(
          byteCount: random.below(1 << (1 + random.below(16))), firstStep: first, lastStep: first + random.below(steps))
      }
      let (offsets, byteCount) = ActivationPlanner.place(buffers)
      #expect(byteCount >= lowerBound(buffers))
      for (index, buffer) in buffers.enumerated() {
        #expect(offsets[index] % 64 == 0 && offsets[index] + buffer.byteCount <= byteCount)
        for other in 0..<index
        where buffer.firstStep <= buffers[other].lastStep && buffers[other].firstStep <= buffer.lastStep {
          #expect(
            offsets[index] + buffer.byteCount <= offsets[other]
              || offsets[other] + buffers[other].byteCount <= offsets[index],
            "round \(round): \(index) and \(other)")
        }
      }
    }
  }

  @Test func chainsReuseMemory() {
    let buffers = (0..<10).map { Buffer(byteCount: 1000, firstStep: $0, lastStep: $0 + 1) }
    #expect(ActivationPlanner.place(buffers).byteCount == 2 * 1024)
    #expect(ActivationPlanner.place([]).byteCount == 0)
  }
}

@Suite struct WeightStoreTests {
  /// Segments hold the payload's bytes in order, compressed or not, and constants are one piece.
  @Test(arguments: SharedFiles.models.filter { !$0.contains("224") }) func segmentsHoldThePayload(_ path: String) throws
  {
    let model = try importModel(try SharedFiles.bytes(path))
    for compression in [ModelFileWriter.Compression.whereItSaves, .none] {
      let budget = MemoryBudget(limitByteCount: 1 << 28)
      do {
        let file = try model.opened(compression)
        let needs = WeightStore.Needs(of: file)
        if compression == .none { #expect(needs.residentByteCount == 0 && needs.loadingByteCount == 0) }
        let store = try WeightStore(file, budget: budget)
        #expect(budget.reservedByteCount(for: .decoder) == 0)
        #expect(budget.reservedByteCount(for: .weights) >= needs.residentByteCount + needs.inPlaceByteCount)
        for (blob, payload) in model.payloads.enumerated() {
          var bytes: [UInt8] = []
          for segment in store.segments(of: blob) {
            bytes += UnsafeRawBufferPointer(start: segment.base, count: segment.byteCount)
          }
          #expect(bytes == payload)
        }
      }
      #expect(budget.reservedByteCount == 0)
    }
  }

  @Test func damagedTilesAreRefused() throws {
    let model = try importModel(try SharedFiles.bytes(SharedFiles.digits))
    for compression in [ModelFileWriter.Compression.whereItSaves, .none] {
      var bytes = try model.fileBytes(compression)
      let tile = try openModel(bytes).graph.blobs[1].tiles[0]
      bytes[tile.fileOffset + tile.storedByteCount / 2] ^= 1
      let budget = MemoryBudget(limitByteCount: 1 << 28)
      do {
        _ = try WeightStore(try openModel(bytes), budget: budget)
        Issue.record("a damaged tile was loaded")
      } catch let error as LoadingError {
        guard case .file(let reason) = error else {
          Issue.record("\(error)")
          continue
        }
        #expect(reason.message.hasPrefix("the checksum of a tile of blob 1 at byte \(tile.fileOffset) does not match"))
      }
      #expect(budget.reservedByteCount == 0)
    }
  }
}
