import Memory
import Synchronization
import System
import Testing

/// Host memory and a device's under one limit, with an allocator that stands in for a device's.
@Suite struct DeviceMemoryTests {
  private let page = Mapping.pageByteCount

  /// Counts what is handed out and refuses on request.
  final class StandIn: Sendable {
    private let allocated = Atomic(0)
    private let allocations = Atomic(0)
    private let refused = Atomic(false)

    var allocatedByteCount: Int { allocated.load(ordering: .relaxed) }
    var allocationCount: Int { allocations.load(ordering: .relaxed) }
    var refuses: Bool {
      get { refused.load(ordering: .relaxed) }
      set { refused.store(newValue, ordering: .relaxed) }
    }

    /// Memory of the device; `onRelease` is called when it is given back.
    struct Block: ~Copyable {
      let byteCount: Int
      private let device: StandIn
      private let onRelease: () -> Void

      init(_ byteCount: Int, _ device: StandIn, _ onRelease: @escaping () -> Void) {
        self.byteCount = byteCount
        self.device = device
        self.onRelease = onRelease
        device.allocated.add(byteCount, ordering: .relaxed)
      }

      deinit {
        device.allocated.subtract(byteCount, ordering: .relaxed)
        onRelease()
      }
    }

    func allocate(_ byteCount: Int, onRelease: @escaping () -> Void = {}) -> Block? {
      allocations.add(1, ordering: .relaxed)
      return refuses ? nil : Block(byteCount, self, onRelease)
    }
  }

  private func refusal(_ body: () throws(MemoryError) -> Void) -> MemoryError? {
    do { try body() } catch { return error }
    return nil
  }

  private func memory(
    _ byteCount: Int, _ device: StandIn, _ budget: MemoryBudget, isShared: Bool = false,
    onRelease: @escaping () -> Void = {}
  ) throws(MemoryError) -> DeviceMemory<StandIn.Block> {
    try DeviceMemory(byteCount: byteCount, for: .weights, isShared: isShared, budget: budget) {
      device.allocate($0, onRelease: onRelease)
    }
  }

  @Test(arguments: [false, true]) func hostAndDeviceShareTheLimit(_ isShared: Bool) throws {
    let (device, budget) = (StandIn(), MemoryBudget(limitByteCount: 10 * page))
    do {
      let arena = try Arena(byteCount: 4 * page, for: .activations, budget: budget)
      let weights = try memory(5 * page + 1, device, budget, isShared: isShared)
      #expect(weights.byteCount == 6 * page && weights.memory.byteCount == 6 * page)
      #expect(budget.availableByteCount == 0 && device.allocatedByteCount == 6 * page)
      // Neither gets another byte, and the device is not even asked.
      let kind: MemoryBudget.Kind = isShared ? .shared : .device
      #expect(
        refusal { () throws(MemoryError) in _ = try memory(1, device, budget, isShared: isShared) }
          == .doesNotFit(needed: page, available: 0, leastBudget: 11 * page))
      #expect(
        refusal { () throws(MemoryError) in _ = try Arena(byteCount: 1, for: .buffers, budget: budget) } != nil)
      #expect(device.allocationCount == 1)
      #expect(budget.reservedByteCount(for: .weights, kind: kind) == 6 * page)
      #expect(budget.reservedByteCount(for: .weights, kind: .host) == 0)
      _ = consume arena
      let more = try memory(4 * page, device, budget, isShared: isShared)
      #expect(device.allocatedByteCount == 10 * page)
      _ = consume more
      _ = consume weights
    }
    #expect(device.allocatedByteCount == 0 && budget.reservedByteCount == 0)
    #expect(budget.peakReservedByteCount == 10 * page)
  }

  /// Memory that is the machine's is counted once, and the resident set may show it; a device's own is never there.
  @Test func sharedMemoryIsCountedOnce() throws {
    let (device, budget) = (StandIn(), MemoryBudget(limitByteCount: 20 * page))
    let shared = try memory(4 * page, device, budget, isShared: true)
    #expect(budget.reservedByteCount == 4 * page && budget.reservedResidentByteCount == 4 * page)
    let own = try memory(5 * page, device, budget)
    let host = try budget.reserve(6 * page, for: .buffers)
    let mapped = try budget.reserve(1, for: .weights, kind: .mapped)
    #expect(budget.reservedByteCount == 16 * page && budget.reservedResidentByteCount == 11 * page)
    #expect(budget.reservedByteCount(for: .weights) == 10 * page)
    let kinds = MemoryBudget.Kind.allCases.map { budget.reservedByteCount(of: $0) / page }
    #expect(kinds == [6, 1, 5, 4])
    #expect(host.kind == .host && mapped.kind == .mapped)
    _ = consume shared
    _ = consume own
    _ = consume host
    _ = consume mapped
  }

  @Test(arguments: [false, true]) func aDeviceThatRefusesLeavesNothingReserved(_ isShared: Bool) throws {
    let (device, budget) = (StandIn(), MemoryBudget(limitByteCount: 10 * page))
    device.refuses = true
    for count in 1...3 {
      #expect(
        refusal { () throws(MemoryError) in _ = try memory(3 * page, device, budget, isShared: isShared) }
          == .refusedByDevice(needed: 3 * page))
      #expect(budget.reservedByteCount == 0 && device.allocationCount == count && device.allocatedByteCount == 0)
    }
    device.refuses = false
    let all = try memory(10 * page, device, budget, isShared: isShared)
    #expect(all.byteCount == 10 * page)
    #expect(MemoryError.refusedByDevice(needed: 1 << 20).message.contains("the device refuses 1.00 MiB"))
  }

  /// When the device takes its memory back the budget still counts it: nobody else may have it before.
  @Test func theMemoryGoesBeforeItsReservation() throws {
    let (device, budget) = (StandIn(), MemoryBudget(limitByteCount: 10 * page))
    let seen = Atomic(-1)
    do {
      let block = try memory(3 * page, device, budget) { [page] in
        seen.store(budget.reservedByteCount / page, ordering: .relaxed)
      }
      #expect(block.byteCount == 3 * page)
    }
    #expect(seen.load(ordering: .relaxed) == 3 && budget.reservedByteCount == 0)
  }

  @Test func absurdSizesAreRefused() {
    let (device, budget) = (StandIn(), MemoryBudget(limitByteCount: Int.max))
    for size in [-1, Int.min, Int.max] {
      #expect(refusal { () throws(MemoryError) in _ = try memory(size, device, budget) } != nil)
    }
    #expect(device.allocationCount == 0 && budget.reservedByteCount == 0)
  }

  /// Whatever threads ask for, host and device together never have more than the limit.
  @Test(.timeLimit(.minutes(1))) func manyThreadsNeverExceedTheLimit() throws {
    let (device, budget) = (StandIn(), MemoryBudget(limitByteCount: 64 * page))
    let page = page
    let (host, excess) = (HostBytes(), Futex())
    let threads = try (0..<4).map { index in
      try System.Thread {
        for round in 0..<3000 {
          let count = (round * 7 + index) % 40 * page
          if (round + index) % 2 == 0 {
            guard let arena = try? budget.reserve(count, for: .activations) else { continue }
            host.value.add(count, ordering: .sequentiallyConsistent)
            if host.value.load(ordering: .sequentiallyConsistent) + device.allocatedByteCount > 64 * page {
              excess.add(1)
            }
            host.value.subtract(count, ordering: .sequentiallyConsistent)
            _ = consume arena
          } else {
            do throws(MemoryError) {
              let memory = try DeviceMemory(
                byteCount: count, for: .weights, isShared: round % 3 == 0, budget: budget
              ) { round % 5 == 0 ? nil : device.allocate($0) }
              if memory.byteCount < count { excess.add(1) }
            } catch {
              continue
            }
          }
        }
      }
    }
    for thread in threads { thread.join() }
    #expect(excess.load() == 0 && budget.peakReservedByteCount <= 64 * page)
    #expect(budget.reservedByteCount == 0 && device.allocatedByteCount == 0)
    for kind in MemoryBudget.Kind.allCases { #expect(budget.reservedByteCount(of: kind) == 0) }
  }

  private final class HostBytes: Sendable { let value = Atomic(0) }

  @Test func reservationsChangeTheirSizeInPlace() throws {
    let budget = MemoryBudget(limitByteCount: 10 * page)
    var reservation = try budget.reserve(page, for: .weights, kind: .shared)
    try reservation.resize(to: 7 * page - 1)
    let grown = reservation.byteCount
    #expect(grown == 7 * page && budget.reservedByteCount(of: .shared) == 7 * page)
    for size in [11 * page, -1, Int.max] {
      var error: MemoryError?
      do { try reservation.resize(to: size) } catch let refusal { error = refusal }
      let kept = reservation.byteCount
      #expect(error != nil && kept == 7 * page && budget.reservedByteCount == 7 * page)
    }
    try reservation.resize(to: 0)
    #expect(budget.reservedByteCount == 0 && budget.peakReservedByteCount == 7 * page)
  }

  /// More than 4 GiB is there for those who ask by hand.
  @Test func aBudgetMayBeRaisedByHand() throws {
    let budget = MemoryBudget(limitByteCount: 6 << 30)
    let device = StandIn()
    let large = try memory(5 << 30, device, budget)
    #expect(large.byteCount == 5 << 30 && budget.availableByteCount == 1 << 30)
  }
}
