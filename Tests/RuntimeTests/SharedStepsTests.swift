import Foundation
import Memory
import System
import Testing

@testable import Runtime

/// Every part of every step runs once, after all parts of the step before, whoever takes it; also between jobs for which all
/// threads must come.
@Suite(.serialized) struct SharedStepsTests {
  /// Counts what has run and what ran too early or twice.
  private final class Counting: SteppedJob, Job {
    let stepCount: Int
    var parts: Int
    let most: Int
    let ran: AtomicWords
    let problems = Futex()

    init(stepCount: Int, parts: Int) {
      self.stepCount = stepCount
      self.parts = parts
      most = parts
      ran = AtomicWords(count: stepCount * parts)
    }

    var mayEnd: Bool { stepCount.isMultiple(of: 2) }
    func ends(before step: Int) -> Bool { false }

    func run(step: Int, part: Int, of parts: Int) {
      if parts != self.parts { problems.add(1) }
      let runs = ran.add(1, at: step * most + part)
      if step > 0 { for other in 0..<parts where ran.load((step - 1) * most + other) != runs { problems.add(1) } }
      // Parts of different length, some of them asleep.
      if (step + part) % 97 == 0 { usleep(50) }
    }

    func run(part: Int, of parts: Int, barrier: Barrier) {
      if parts != self.parts { problems.add(1) }
      barrier.wait()
    }
  }

  @Test(.timeLimit(.minutes(2)), arguments: 1...5)
  func everyPartRunsOnceInOrder(_ threadCount: Int) throws {
    let budget = MemoryBudget(limitByteCount: 1 << 28)
    let pool = try ThreadPool(threadCount: threadCount, budget: budget)
    let jobs = [1, 2, 31].map { Counting(stepCount: $0, parts: threadCount) }
    let roundCount = 1500
    for round in 0..<roundCount {
      for job in jobs { pool.run(steps: job) }
      if round % 7 == 0 { pool.run(jobs[0] as any Job) }
      // Long enough that threads park, now and then.
      if round % 100 == 0 { usleep(UInt32(round % 900)) }
    }
    for job in jobs {
      #expect(job.problems.load() == 0)
      for index in 0..<job.ran.count { #expect(job.ran.load(index) == UInt32(roundCount)) }
    }
  }

  /// Runs of different sizes in turn, parked threads in between: nobody comes who was not asked, and nobody who was stays away.
  @Test(.timeLimit(.minutes(2)), arguments: 2...5)
  func threadsComeAndGo(_ threadCount: Int) throws {
    let budget = MemoryBudget(limitByteCount: 1 << 28)
    let pool = try ThreadPool(threadCount: threadCount, budget: budget)
    let jobs = (1...threadCount).map { Counting(stepCount: 5, parts: $0) }
    var counts = jobs.map { _ in UInt32(0) }
    var random = UInt64(threadCount)
    for round in 0..<3000 {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let index = Int(random >> 33) % threadCount
      pool.run(jobs[index] as any Job, threadCount: index + 1)
      pool.run(steps: jobs[index], threadCount: index + 1)
      counts[index] += 1
      if round % 50 == 0 { usleep(UInt32(round % 900)) }
      if round % 500 == 0 { pool.spins = round % 1000 != 0 }
      if round % 300 == 0 { pool.place(on: round % 600 == 0 ? [0] : []) }
    }
    for (job, count) in zip(jobs, counts) {
      #expect(job.problems.load() == 0)
      for index in 0..<job.ran.count { #expect(job.ran.load(index) == count) }
    }
  }
}
