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
  private func usage(_ graph: Graph) -> WeightStore.Usage {
    WeightStore.Usage(
      threadCount: 1, isClaimable: graph.blobs.map { _ in false },
      panelByteCounts: graph.blobs.map { _ in 64 }, nanoseconds: graph.blobs.map { _ in 1000 },
      chains: graph.blobs.map { _ in -1 })
  }

  /// What a thread finds when it walks through a layer's pieces.
  private func bytes(_ layer: LayerWeights) -> [UInt8] {
    var bytes: [UInt8] = []
    for index in layer.pieces.indices {
      #expect(layer.pieces[index].offset == bytes.count)
      bytes += UnsafeRawBufferPointer(start: layer.begin(index, part: 0), count: layer.pieces[index].byteCount)
      layer.end(index)
    }
    return bytes
  }

  /// Layers hold the payload's bytes in order, compressed or not, kept or passing, in every run.
  @Test(arguments: SharedFiles.models) func layersHoldThePayload(_ path: String) throws {
    let model = try importModel(try SharedFiles.bytes(path))
    let order = model.graph.operators.compactMap { $0.operation.weights }
    for compression in [ModelFileWriter.Compression.whereItSaves, .always, .none] {
      for share in [0, 30, 80, 100] {
        let budget = MemoryBudget(limitByteCount: 1 << 28)
        do {
          let file = try model.opened(compression)
          let planner = WeightPlanner(file, usage: usage(file.graph), rates: DeviceRates())
          func taken(_ placement: WeightPlacement) -> Int {
            planner.costs(of: placement).cacheByteCount + planner.costs(of: placement).runningByteCount
          }
          let least = taken(planner.least(byteCount: taken))
          let most = max(least, planner.costs(of: planner.keepingAll).cacheByteCount)
          let placement = try #require(
            planner.placement(availableByteCount: least + (most - least) * share / 100, byteCount: taken))
          if share == 100 { #expect(placement == planner.keepingAll) }
          let workspace = try Workspace(budget: budget)
          let store = try WeightStore(file, planner: planner, placement: placement, budget: budget)
          var claim = try workspace.claim(planner.loadingNeeds(of: placement, loaderCount: 1))
          store.load(part: 0, workspace: workspace)
          try store.finishLoading()
          claim = try workspace.claim(planner.needs(of: placement, activationByteCount: 0))
          workspace.trim()
          for _ in 0..<2 {
            store.prepare(workspace, threadCount: 1)
            for blob in order { #expect(bytes(store.layer(of: blob)) == model.payloads[blob]) }
            try store.check()
          }
          _ = claim
        }
        #expect(budget.reservedByteCount == 0)
      }
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
        let file = try openModel(bytes)
        let planner = WeightPlanner(file, usage: usage(file.graph), rates: DeviceRates())
        let workspace = try Workspace(budget: budget)
        let claim = try workspace.claim(planner.loadingNeeds(of: planner.keepingAll, loaderCount: 1))
        let store = try WeightStore(file, planner: planner, placement: planner.keepingAll, budget: budget)
        store.load(part: 0, workspace: workspace)
        _ = claim
        do {
          try store.finishLoading()
          Issue.record("a damaged tile was loaded")
        } catch {
          #expect(error.message.hasPrefix("the checksum of a tile of blob 1 at byte \(tile.fileOffset) does not match"))
        }
      }
      #expect(budget.reservedByteCount == 0)
    }
  }
}
