import TestSupport
import Testing

/// A run allocates nothing: counted in a process of its own (AllocationProbe), every thread and library included.
@Suite struct AllocationTests {
  @Test(
    .enabled(
      if: ConformanceTests.isOptimized, "unoptimized iterators of the standard library allocate: swift test -c release"),
    arguments: [1, 2])
  func runsDoNotAllocate(_ threadCount: Int) throws {
    let result = try Program.run([String(threadCount)] + SharedFiles.models, program: Program.named("AllocationProbe"))
    #expect(result.status == 0, "\(result.error)")
    let lines = result.output.split(separator: "\n").map { $0.split(separator: " ") }
    #expect(lines.count == SharedFiles.models.count + 1)
    #expect(lines.first.map { $0[0] == "control" && Int($0[1])! > 0 } == true, "the counter does not count")
    for line in lines.dropFirst() { #expect(line[1] == "0", "\(line[0]) allocates \(line[1]) times in six runs") }
  }
}
