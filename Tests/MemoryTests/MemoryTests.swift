import Foundation
import Importing
import Memory
import ModelFile
import Runtime
import System
import TestSupport
import Testing

@Suite struct MemoryBudgetTests {
  private func refusal(_ body: () throws(MemoryError) -> Void) -> MemoryError? {
    do { try body() } catch { return error }
    return nil
  }

  @Test func reservationsAreWholePagesAndGoBack() throws {
    let page = Mapping.pageByteCount
    let budget = MemoryBudget(limitByteCount: 10 * page)
    do {
      let first = try budget.reserve(1, for: .weights)
      let second = try budget.reserve(2 * page + 1, for: .buffers)
      #expect(first.byteCount == page && second.byteCount == 3 * page && second.purpose == .buffers)
      #expect(budget.reservedByteCount == 4 * page && budget.availableByteCount == 6 * page)
      #expect(budget.reservedByteCount(for: .weights) == page && budget.reservedByteCount(for: .buffers) == 3 * page)
      #expect(budget.reservedByteCount(for: .stacks) == 0)
      let error = refusal { () throws(MemoryError) in _ = try budget.reserve(7 * page, for: .weights) }
      #expect(error == .doesNotFit(needed: 7 * page, available: 6 * page, leastBudget: 11 * page))
      #expect(refusal { () throws(MemoryError) in try budget.check(6 * page) } == nil)
      #expect(refusal { () throws(MemoryError) in try budget.check(6 * page + 1) } != nil)
      #expect(budget.reservedByteCount == 4 * page)
    }
    #expect(budget.reservedByteCount == 0 && budget.peakReservedByteCount == 4 * page)
  }

  @Test func absurdSizesAreRefused() {
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    for size in [-1, Int.min, Int.max, Int.max / 2 + 1] {
      #expect(refusal { () throws(MemoryError) in _ = try budget.reserve(size, for: .weights) } != nil)
    }
    #expect(budget.reservedByteCount == 0)
  }

  @Test func messagesSayWhatToDo() {
    #expect(
      MemoryError.doesNotFit(needed: 3 << 20, available: 1 << 19, leastBudget: 70 << 20).message
        == "out of memory budget: 3.00 MiB needed, 512.0 KiB left; give --memory-budget 70M or more, or unload a model")
    #expect(
      MemoryError.refusedByKernel(needed: 1 << 30).message
        == "the kernel refuses 1.00 GiB of memory: lower --memory-budget or stop another program")
  }

  @Test(.timeLimit(.minutes(1))) func manyThreadsKeepTheLedger() throws {
    let budget = MemoryBudget(limitByteCount: 1 << 20)
    let threads = try (0..<4).map { index in
      try System.Thread {
        for round in 0..<5000 { _ = try? budget.reserve((round + index) % 300_000, for: .buffers) }
      }
    }
    for thread in threads { thread.join() }
    #expect(budget.reservedByteCount == 0 && budget.peakReservedByteCount <= 1 << 20)
    #expect(budget.reservedByteCount(for: .buffers) == 0)
  }

  /// A hostile size must meet the budget and not the kernel.
  @Test func terabytesAreRefusedBeforeTheyAreTried() {
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    #expect(
      refusal { () throws(MemoryError) in _ = try Arena(byteCount: 1 << 40, for: .activations, budget: budget) } != nil)
    #expect(budget.peakReservedByteCount == 0)
    // A budget beyond the machine: the kernel says no, and nothing stays reserved.
    let boundless = MemoryBudget(limitByteCount: Int.max)
    #expect(
      refusal { () throws(MemoryError) in _ = try Arena(byteCount: 1 << 60, for: .activations, budget: boundless) }
        == .refusedByKernel(needed: 1 << 60))
    #expect(boundless.reservedByteCount == 0)
  }
}

/// Loading under ever larger budgets: every reservation fails once, each time cleanly.
@Suite(.serialized) struct ReservationFaultTests {
  @Test(arguments: SharedFiles.models.filter { !$0.contains("224") })
  func everyRefusalIsClean(_ path: String) throws {
    for compression in [ModelFileWriter.Compression.whereItSaves, .none] {
      let written = try importModel(try SharedFiles.bytes(path)).written(compression)
      var limit = 0
      var refusals = 0
      while true {
        let budget = MemoryBudget(limitByteCount: limit)
        do throws(LoadError) {
          try load(written, budget)
          break
        } catch {
          #expect(budget.reservedByteCount == 0, "after a refusal at \(limit)")
          #expect(error.leastBudget > limit, "it asks for \(error.leastBudget) where \(limit) did not do")
          limit = error.leastBudget
          refusals += 1
          try #require(refusals < 20)
        }
      }
      #expect(refusals >= 2)
      // A page less is refused: what messages ask for is the least that does.
      let budget = MemoryBudget(limitByteCount: limit - Mapping.pageByteCount)
      #expect(throws: LoadError.self) { try load(written, budget) }
      #expect(budget.reservedByteCount == 0)
    }
  }

  @Test func nothingLeaks() throws {
    let written = try importModel(try SharedFiles.bytes(SharedFiles.digits)).written()
    func descriptors() -> Int { (try? FileSystem.names(in: "/proc/self/fd"))?.count ?? 0 }
    let before = descriptors()
    for limit in stride(from: 0, to: 1 << 20, by: 1 << 13) { try? load(written, MemoryBudget(limitByteCount: limit)) }
    #expect(abs(descriptors() - before) < 20)
  }

  private struct LoadError: Error { var leastBudget: Int }

  private func load(_ written: borrowing File, _ budget: MemoryBudget) throws(LoadError) {
    do {
      let pool = try ThreadPool(threadCount: 2, budget: budget)
      let session = try Session(try ModelFile(written), kernels: .best, pool: pool, budget: budget)
      session.run()
      #expect(budget.reservedByteCount > 0)
    } catch ThreadPoolError.memory(.doesNotFit(_, _, let least)), SessionError.memory(.doesNotFit(_, _, let least)) {
      throw LoadError(leastBudget: least)
    } catch {
      Issue.record("\(error)")
      throw LoadError(leastBudget: Int.max)
    }
    #expect(budget.reservedByteCount == 0)
  }
}

@Suite struct ByteCountTests {
  @Test(arguments: [
    ("0", 0), ("65536", 65536), ("512K", 512 << 10), ("64M", 64 << 20), ("64m", 64 << 20), ("1G", 1 << 30),
    ("64MiB", 64 << 20), ("64MB", 64 << 20), ("7b", 7), ("9223372036854775807", Int.max),
  ]) func sizes(_ text: String, _ byteCount: Int) { #expect(ByteCount.parse(text) == byteCount) }

  @Test(arguments: [
    "", "M", "-1", "1.5G", "64X", "64MM", "64iB", "9223372036854775808", "9007199254740993K", "64 M", "0x10",
  ])
  func otherTexts(_ text: String) { #expect(ByteCount.parse(text) == nil) }

  @Test func texts() {
    #expect(ByteCount.text(1023) == "1023 bytes" && ByteCount.text(1536) == "1.5 KiB")
    #expect(ByteCount.text(3 << 19) == "1.50 MiB" && ByteCount.text(5 << 29) == "2.50 GiB")
  }

  /// What messages advise is enough, and not much more.
  @Test func advisedOptionsAreEnough() throws {
    var random = XorShift(9)
    for _ in 0..<2000 {
      let byteCount = random.below(1 << (10 + random.below(30)))
      let advised = try #require(ByteCount.parse(ByteCount.option(byteCount)))
      #expect(advised >= byteCount && advised - byteCount <= max(1024, byteCount / 32))
    }
  }
}

@Suite struct DefaultBudgetTests {
  /// A root folder with these files.
  private func root(_ files: [String: String]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for (path, text) in files { _ = try folder.write(path, Array(text.utf8)) }
    return folder
  }

  @Test func withoutCgroups() throws {
    let folder = try root([:])
    #expect(DefaultBudget.cgroupLimitByteCount(root: folder.path) == nil)
    #expect(DefaultBudget.byteCount(root: folder.path, physicalByteCount: 1 << 30) == 1 << 29)
    #expect(DefaultBudget.byteCount(root: folder.path, physicalByteCount: 1 << 40) == 4 << 30)
  }

  @Test func version2TakesTheLeastOfTheParents() throws {
    let folder = try root([
      "proc/self/cgroup": "0::/user.slice/app.service\n", "sys/fs/cgroup/user.slice/memory.max": "300000000\n",
      "sys/fs/cgroup/user.slice/app.service/memory.max": "max\n",
    ])
    #expect(DefaultBudget.cgroupLimitByteCount(root: folder.path) == 300_000_000)
    #expect(DefaultBudget.byteCount(root: folder.path, physicalByteCount: 1 << 40) == 300_000_000)
    #expect(DefaultBudget.byteCount(root: folder.path, physicalByteCount: 400_000_000) == 200_000_000)
  }

  @Test func noLimitIsNone() throws {
    #expect(
      DefaultBudget.cgroupLimitByteCount(
        root: try root(["proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"]).path) == nil)
    let huge = [
      "proc/self/cgroup": "4:memory:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n",
    ]
    #expect(DefaultBudget.cgroupLimitByteCount(root: try root(huge).path) == nil)
  }

  @Test func version1HasItsOwnFile() throws {
    let folder = try root([
      "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n",
      "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "67108864\n", "sys/fs/cgroup/memory.max": "1\n",
      "sys/fs/cgroup/cpu/x/memory.limit_in_bytes": "2\n",
    ])
    // The unified line counts too: here its root gives the least.
    #expect(DefaultBudget.cgroupLimitByteCount(root: folder.path) == 1)
    try FileManager.default.removeItem(atPath: folder.file("sys/fs/cgroup/memory.max"))
    #expect(DefaultBudget.cgroupLimitByteCount(root: folder.path) == 64 << 20)
  }

  /// In a container the path does not exist, and the mount point is the container's own group.
  @Test func containersSeeTheirGroupAtTheMount() throws {
    let folder = try root(["proc/self/cgroup": "0::/kubepods/pod1/abc\n", "sys/fs/cgroup/memory.max": "50000000\n"])
    #expect(DefaultBudget.cgroupLimitByteCount(root: folder.path) == 50_000_000)
  }

  @Test func nonsenseIsIgnored() throws {
    let folder = try root(["proc/self/cgroup": "nonsense\n::\n0::/a\n\n", "sys/fs/cgroup/a/memory.max": "many\n"])
    #expect(DefaultBudget.cgroupLimitByteCount(root: folder.path) == nil)
  }
}
